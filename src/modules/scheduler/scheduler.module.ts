import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { AuthModule } from '#modules/auth'
import { ProjectsModule } from '#modules/projects'
import { RunsModule } from '#modules/runs'
import { ExecutionQueries } from './executions/execution-queries.service.js'
import { ExecutionsController } from './executions/executions.controller.js'
import { ExecutionsRepository } from './executions/executions.repository.js'
import { BackfillQueue } from './firing/backfill-queue.service.js'
import { BackfillRepository } from './firing/backfill.repository.js'
import { firingMetricsProviders } from './firing/firing-metrics.service.js'
import { ReadySchedulesRepository } from './firing/ready-schedules.repository.js'
import { RequestedExecutions } from './firing/requested-executions.service.js'
import { RunEndsRepository } from './firing/run-ends.repository.js'
import { RunEnds } from './firing/run-ends.subscriber.js'
import { ScheduleBackfill } from './firing/schedule-backfill.service.js'
import { ScheduleBell } from './firing/schedule-bell.service.js'
import { ScheduleTicker } from './firing/schedule-ticker.job.js'
import { ScheduleTrigger } from './firing/schedule-trigger.service.js'
import { ScheduleTurns } from './firing/schedule-turns.service.js'
import { ScheduleWatchRepository } from './firing/schedule-watch.repository.js'
import { ScheduleWatch } from './firing/schedule-watch.service.js'
import { TimesRefresh } from './firing/times-refresh.job.js'
import { TurnPlans } from './firing/turn-plans.service.js'
import { TurnPreparation } from './firing/turn-preparation.service.js'
import { TurnRounds } from './firing/turn-rounds.service.js'
import { TurnWriter } from './firing/turn-writer.service.js'
import { TurnWritesRepository } from './firing/turn-writes.repository.js'
import { TurnsAhead } from './firing/turns-ahead.service.js'
import { TurnsRepository } from './firing/turns.repository.js'
import { SchedulePoliciesController } from './policy/schedule-policies.controller.js'
import { SchedulePoliciesRepository } from './policy/schedule-policies.repository.js'
import { SchedulePolicies } from './policy/schedule-policies.service.js'
import { ExecutionRetention } from './retention/execution-retention.job.js'
import { ExecutionRetentionRepository } from './retention/execution-retention.repository.js'
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

const firing = [
  ReadySchedulesRepository,
  BackfillRepository,
  BackfillQueue,
  RequestedExecutions,
  RunEnds,
  RunEndsRepository,
  ScheduleBackfill,
  ScheduleBell,
  ScheduleTicker,
  ScheduleTrigger,
  ScheduleTurns,
  ScheduleWatch,
  ScheduleWatchRepository,
  TimesRefresh,
  TurnPlans,
  TurnPreparation,
  TurnRounds,
  TurnWriter,
  TurnWritesRepository,
  TurnsAhead,
  TurnsRepository,
  ...firingMetricsProviders,
]

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
    ...firing,
    ExecutionQueries,
    ExecutionRetention,
    ExecutionRetentionRepository,
    ExecutionsRepository,
    ScheduleChanges,
    ScheduleChecks,
    ScheduleCreation,
    ScheduleDeletion,
    ScheduleDrafts,
    SchedulePolicies,
    SchedulePoliciesRepository,
    SchedulePreviews,
    ScheduleStandstill,
    Schedules,
    SchedulesRepository,
  ],
})
export class SchedulerModule {}
