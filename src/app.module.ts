import { type DynamicModule, Module } from '@nestjs/common'
import { AdminModule } from '#modules/admin'
import { AgentsModule } from '#modules/agents'
import { ApprovalsModule } from '#modules/approvals'
import { AuditModule } from '#modules/audit'
import { AuthModule } from '#modules/auth'
import { CspReportsModule } from '#modules/csp-reports'
import { HealthModule } from '#modules/health'
import { MetricsModule } from '#modules/metrics'
import { ProjectsModule } from '#modules/projects'
import { RunsModule } from '#modules/runs'
import { SchedulerModule } from '#modules/scheduler'
import { ToolsModule } from '#modules/tools'
import { WebhooksModule } from '#modules/webhooks'
import { PlatformModule, type PlatformOptions } from '#platform/platform.module.js'

@Module({})
export class AppModule {
  static forRoot(options: PlatformOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.forRoot(options),
        AuthModule,
        AdminModule,
        AgentsModule,
        ApprovalsModule,
        ProjectsModule,
        RunsModule,
        SchedulerModule,
        ToolsModule,
        AuditModule,
        WebhooksModule,
        HealthModule,
        MetricsModule,
        CspReportsModule,
      ],
    }
  }
}
