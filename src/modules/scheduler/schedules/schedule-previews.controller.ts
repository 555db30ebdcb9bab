import { Body, Controller, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type PreviewCommand,
  previewScheduleSchema,
  type SchedulePreview,
  schedulePreviewSchema,
} from './schedule-previews.schemas.js'
import { SchedulePreviews } from './schedule-previews.service.js'

@ApiTags('schedules')
@Controller('v1/schedules/preview')
export class SchedulePreviewsController {
  constructor(private readonly previews: SchedulePreviews) {}

  @Post()
  @Endpoint({
    summary: 'Show when a cron pattern would be due',
    access: 'schedules:read',
    answers: [{ status: 200, description: 'The next due times.', schema: schedulePreviewSchema }],
    problems: [400],
  })
  preview(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: previewScheduleSchema }) command: PreviewCommand,
  ): Promise<SchedulePreview> {
    return this.previews.preview(principal, command)
  }
}
