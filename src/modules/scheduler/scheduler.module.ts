import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { AuthModule } from '#modules/auth'
import { ProjectsModule } from '#modules/projects'
import { RunsModule } from '#modules/runs'
import { firingMetricsProviders } from './firing/firing-metrics.service.js'
import { ReadySchedulesRepository } from './firing/ready-schedules.repository.js'
import { RequestedExecutionsRepository } from './firing/requested-executions.repository.js'
import { RunEndsRepository } from './firing/run-ends.repository.js'
import { RunEnds } from './firing/run-ends.subscriber.js'
import { ScheduleBackfill } from './firing/schedule-backfill.service.js'
import { ScheduleBell } from './firing/schedule-bell.service.js'
import { ScheduleTicker } from './firing/schedule-ticker.job.js'
import { ScheduleTrigger } from './firing/schedule-trigger.service.js'
import { ScheduleTurns } from './firing/schedule-turns.service.js'
import { TimesRefresh } from './firing/times-refresh.job.js'
import { TimesRefreshRepository } from './firing/times-refresh.repository.js'
import { TurnPlans } from './firing/turn-plans.service.js'
import { TurnPreparation } from './firing/turn-preparation.service.js'
import { TurnWriter } from './firing/turn-writer.service.js'
import { TurnWritesRepository } from './firing/turn-writes.repository.js'
import { TurnsRepository } from './firing/turns.repository.js'

const firing = [
  ReadySchedulesRepository,
  RequestedExecutionsRepository,
  RunEnds,
  RunEndsRepository,
  ScheduleBackfill,
  ScheduleBell,
  ScheduleTicker,
  ScheduleTrigger,
  ScheduleTurns,
  TimesRefresh,
  TimesRefreshRepository,
  TurnPlans,
  TurnPreparation,
  TurnWriter,
  TurnWritesRepository,
  TurnsRepository,
  ...firingMetricsProviders,
]

@Module({
  imports: [AgentsModule, AuthModule, ProjectsModule, RunsModule],
  providers: [...firing],
})
export class SchedulerModule {}
