import { Module } from '@nestjs/common'
import { PrometheusModule } from '@willsoto/nestjs-prometheus'
import { MetricsController } from './metrics.controller.js'
import { runMetricsProviders } from './run-metrics.subscriber.js'

@Module({
  imports: [PrometheusModule.register({ controller: MetricsController, defaultMetrics: { enabled: true } })],
  providers: runMetricsProviders,
})
export class MetricsModule {}
