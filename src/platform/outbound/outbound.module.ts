import { Global, Module } from '@nestjs/common'
import { HostResolver } from './host-resolver.js'
import { OutboundClient } from './outbound-client.js'
import { outboundMetricsProviders } from './outbound-metrics.js'

@Global()
@Module({ providers: [HostResolver, OutboundClient, ...outboundMetricsProviders], exports: [OutboundClient] })
export class OutboundModule {}
