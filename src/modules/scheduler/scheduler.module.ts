import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { AuthModule } from '#modules/auth'
import { ProjectsModule } from '#modules/projects'
import { RunsModule } from '#modules/runs'
import { ExecutionQueries } from './executions/execution-queries.service.js'
import { ExecutionsController } from './executions/executions.controller.js'
import { ExecutionsRepository } from './executions/executions.repository.js'
import { ScheduleBackfill } from './firing/schedule-backfill.service.js'
import { ScheduleBell } from './firing/schedule-bell.service.js'
import { ScheduleTrigger } from './firing/schedule-trigger.service.js'
import { ScheduleTurns } from './firing/schedule-turns.service.js'
import { SchedulePoliciesController } from './policy/schedule-policies.controller.js'
import { SchedulePoliciesRepository } from './policy/schedule-policies.repository.js'
import { SchedulePolicies } from './policy/schedule-policies.service.js'
import { ScheduleActionsController } from './schedules/schedule-actions.controller.js'
import { ScheduleChanges } from './schedules/schedule-changes.service.js'
import { ScheduleChecks } from './schedules/schedule-checks.service.js'
import { ScheduleCreation } from './schedules/schedule-creation.service.js'
import { ScheduleDeletion } from './schedules/schedule-deletion.service.js'
import { ScheduleDrafts } from './schedules/schedule-drafts.service.js'
import { SchedulePreviewsController } from './schedules/schedule-previews.controller.js'
import { SchedulePreviews } from './schedules/schedule-previews.service.js'
import { ScheduleStandstill } from './schedules/schedule-standstill.service.js'
import { SchedulesController } from './schedules/schedules.controller.js'
import { SchedulesRepository } from './schedules/schedules.repository.js'
import { Schedules } from './schedules/schedules.service.js'

@Module({
  imports: [AgentsModule, AuthModule, ProjectsModule, RunsModule],
  controllers: [
    ExecutionsController,
    ScheduleActionsController,
    SchedulePoliciesController,
    SchedulePreviewsController,
    SchedulesController,
  ],
  providers: [
    ExecutionQueries,
    ExecutionsRepository,
    ScheduleBackfill,
    ScheduleBell,
    ScheduleChanges,
    ScheduleChecks,
    ScheduleCreation,
    ScheduleDeletion,
    ScheduleDrafts,
    SchedulePolicies,
    SchedulePoliciesRepository,
    SchedulePreviews,
    ScheduleStandstill,
    ScheduleTrigger,
    ScheduleTurns,
    Schedules,
    SchedulesRepository,
  ],
})
export class SchedulerModule {}
