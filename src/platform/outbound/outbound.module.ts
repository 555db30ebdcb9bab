import { Global, Module } from '@nestjs/common'
import { DnsHostResolver } from './dns-host-resolver.js'
import { HostResolver } from './host-resolver.js'
import { OutboundClient } from './outbound-client.js'
import { outboundMetricsProviders } from './outbound-metrics.js'

@Global()
@Module({
  providers: [
    { provide: HostResolver, useFactory: () => new DnsHostResolver() },
    OutboundClient,
    ...outboundMetricsProviders,
  ],
  exports: [OutboundClient],
})
export class OutboundModule {}
