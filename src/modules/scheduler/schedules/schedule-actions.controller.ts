import { Body, Controller, Param, Post, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { addressOfExecution, type Execution, executionSchema } from '../executions/executions.schemas.js'
import {
  type Backfill,
  backfillAnswerSchema,
  type BackfillCommand,
  backfillSchema,
} from '../firing/backfill.schemas.js'
import { ScheduleBackfill } from '../firing/schedule-backfill.service.js'
import { ScheduleTrigger } from '../firing/schedule-trigger.service.js'
import { ScheduleChanges } from './schedule-changes.service.js'
import { type Schedule, scheduleSchema } from './schedules.schemas.js'

@ApiTags('schedules')
@Controller('v1/schedules/:id')
export class ScheduleActionsController {
  constructor(
    private readonly changes: ScheduleChanges,
    private readonly triggers: ScheduleTrigger,
    private readonly backfills: ScheduleBackfill,
  ) {}

  @Post('pause')
  @Endpoint({
    summary: 'Pause a schedule',
    description: 'Nothing is due until it is resumed. Runs under way go on. One that is paused stays as it is.',
    access: 'schedules:write',
    answers: [{ status: 200, description: 'The schedule, paused.', schema: scheduleSchema }],
    problems: [404],
  })
  pause(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Schedule> {
    return this.changes.pause(principal, id)
  }

  @Post('resume')
  @Endpoint({
    summary: 'Resume a schedule',
    description:
      'From now on, and in your name. What was due while it was paused is not made up for; failures are counted anew. One that is active stays as it is; 409 `schedule_ended` for one that no due time is left to.',
    access: 'schedules:write',
    answers: [{ status: 200, description: 'The schedule, active.', schema: scheduleSchema }],
    problems: [404, 409],
  })
  resume(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Schedule> {
    return this.changes.resume(principal, id)
  }

  @Post('trigger')
  @Endpoint({
    summary: 'Run a schedule now',
    description:
      'Beside its due times, also while it is paused, and in your name. Its overlap policy holds: the execution can be `skipped`. 409 `schedule_unrunnable` where its agent, or what its `input` names, is gone.',
    access: 'schedules:write',
    idempotent: true,
    rateLimit: 'schedule-trigger',
    answers: [{ status: 202, description: 'The execution; see `Location`.', schema: executionSchema }],
    problems: [402, 404, 409],
  })
  async trigger(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Execution> {
    const execution = await this.triggers.trigger(principal, id)
    void reply.header('Location', addressOfExecution(execution))
    return execution
  }

  @Post('backfill')
  @Endpoint({
    summary: 'Make up for due times of the past',
    description:
      'Each due time at or after `from` and before `to` that has no run gets one, the oldest first, in your name. 409 `schedule_paused`; 409 `too_many_waiting` where more than 1000 would wait.',
    access: 'schedules:write',
    idempotent: true,
    rateLimit: 'schedule-trigger',
    answers: [{ status: 202, description: 'How many are made up for.', schema: backfillAnswerSchema }],
    problems: [400, 404, 409],
  })
  backfill(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: backfillSchema }) command: BackfillCommand,
  ): Promise<Backfill> {
    return this.backfills.backfill(principal, id, command)
  }
}
