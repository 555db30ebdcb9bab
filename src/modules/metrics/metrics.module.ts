import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { PrometheusModule } from '@willsoto/nestjs-prometheus'
import { MetricsController } from './metrics.controller.js'
import { runMetricsProviders } from './run-metrics.subscriber.js'

@Module({
  imports: [
    AgentsModule,
    PrometheusModule.register({ controller: MetricsController, defaultMetrics: { enabled: true } }),
  ],
  providers: runMetricsProviders,
})
export class MetricsModule {}
