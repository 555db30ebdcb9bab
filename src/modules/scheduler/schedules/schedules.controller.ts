import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { ScheduleChanges } from './schedule-changes.service.js'
import { ScheduleCreation } from './schedule-creation.service.js'
import { ScheduleDeletion } from './schedule-deletion.service.js'
import {
  addressOf,
  type ChangeScheduleCommand,
  changeScheduleSchema,
  type CreateScheduleCommand,
  createScheduleSchema,
  type Schedule,
  type ScheduleListQuery,
  scheduleListQuerySchema,
  schedulePageSchema,
  scheduleSchema,
  type ScheduleSummary,
} from './schedules.schemas.js'
import { Schedules } from './schedules.service.js'

@ApiTags('schedules')
@Controller('v1/schedules')
export class SchedulesController {
  constructor(
    private readonly schedules: Schedules,
    private readonly creation: ScheduleCreation,
    private readonly changes: ScheduleChanges,
    private readonly deletion: ScheduleDeletion,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Add a schedule',
    description:
      'Gives an agent a task whenever it is due: by a `cron` pattern, every so many seconds, or once. Exactly one of `cron`, `everySeconds` and `runAt`. Its runs are in your name, with the permissions that you have when they are due.',
    access: 'schedules:write',
    idempotent: true,
    rateLimit: 'schedule-create',
    answers: [{ status: 201, description: 'The schedule, and when it is due next.', schema: scheduleSchema }],
    problems: [400],
  })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createScheduleSchema }) command: CreateScheduleCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Schedule> {
    const created = await this.creation.create(principal, command)
    void reply.header('Location', addressOf(created))
    return created
  }

  @Get()
  @Endpoint({
    summary: 'List schedules, newest first',
    access: 'schedules:read',
    answers: [{ status: 200, description: 'A page of schedules, without their `input`.', schema: schedulePageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: scheduleListQuerySchema }) query: ScheduleListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<ScheduleSummary>> {
    const page = await this.schedules.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get a schedule',
    access: 'schedules:read',
    answers: [{ status: 200, description: 'The schedule.', schema: scheduleSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Schedule> {
    return this.schedules.get(principal, id)
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Change a schedule',
    description:
      'What was due before is seen to under the old definition, what is due from now on under the new one. Of `cron`, `everySeconds` and `runAt` the one that is given takes the place of the one that was there; `input` is replaced as a whole. It runs in your name from now on.',
    access: 'schedules:write',
    answers: [{ status: 200, description: 'The schedule as it is now.', schema: scheduleSchema }],
    problems: [400, 404, 409],
  })
  change(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: changeScheduleSchema }) command: ChangeScheduleCommand,
  ): Promise<Schedule> {
    return this.changes.change(principal, id, command)
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete a schedule',
    description:
      'Nothing of it is due any more, and what waits for its turn is skipped. Runs under way go on. Its executions are at GET /v1/schedule-executions as long as they are kept.',
    access: 'schedules:write',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404],
  })
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.deletion.delete(principal, id)
  }
}
