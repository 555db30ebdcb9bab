import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { PrometheusModule } from '@willsoto/nestjs-prometheus'
import { AgentMetricsController } from './agents/agent-metrics.controller.js'
import { AgentMetricsReadModel } from './agents/agent-metrics.read-model.js'
import { AgentMetricsService } from './agents/agent-metrics.service.js'
import { DashboardController } from './dashboard/dashboard.controller.js'
import { DashboardReadModel } from './dashboard/dashboard.read-model.js'
import { DashboardService } from './dashboard/dashboard.service.js'
import { MetricsController } from './metrics.controller.js'
import { runMetricsProviders } from './run-metrics.subscriber.js'
import { TimelineController } from './timeline/timeline.controller.js'
import { TimelineReadModel } from './timeline/timeline.read-model.js'
import { TimelineService } from './timeline/timeline.service.js'

@Module({
  imports: [
    AgentsModule,
    PrometheusModule.register({ controller: MetricsController, defaultMetrics: { enabled: true } }),
  ],
  controllers: [DashboardController, AgentMetricsController, TimelineController],
  providers: [
    ...runMetricsProviders,
    DashboardService,
    DashboardReadModel,
    AgentMetricsService,
    AgentMetricsReadModel,
    TimelineService,
    TimelineReadModel,
  ],
})
export class MetricsModule {}
