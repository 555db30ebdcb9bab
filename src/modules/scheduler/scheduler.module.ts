import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { AuthModule } from '#modules/auth'
import { ProjectsModule } from '#modules/projects'
import { RunsModule } from '#modules/runs'
import { ScheduleBackfill } from './firing/schedule-backfill.service.js'
import { ScheduleBell } from './firing/schedule-bell.service.js'
import { ScheduleTrigger } from './firing/schedule-trigger.service.js'
import { ScheduleTurns } from './firing/schedule-turns.service.js'

@Module({
  imports: [AgentsModule, AuthModule, ProjectsModule, RunsModule],
  providers: [ScheduleBackfill, ScheduleBell, ScheduleTrigger, ScheduleTurns],
})
export class SchedulerModule {}
