import { Controller, Get, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { CacheAnswer } from '#platform/http/response-cache/cache-answer.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { type Timeline, type TimelineQuery, timelineQuerySchema, timelineSchema } from './timeline.schemas.js'
import { TimelineService } from './timeline.service.js'

@ApiTags('metrics')
@Controller('v1/metrics/timeline')
export class TimelineController {
  constructor(private readonly timeline: TimelineService) {}

  @Get()
  @CacheAnswer({ kind: 'metrics', tags: [FIGURES_TAG], sharedBy: 'permissions' })
  @Endpoint({
    summary: 'Get runs and costs over time, for a chart',
    description:
      'The time is widened to whole buckets of UTC, of which there can be 750: 31 days of hours, or two years of days. Kept for 30 seconds.',
    access: 'metrics:read',
    answers: [{ status: 200, description: 'A point for each bucket.', schema: timelineSchema }],
    problems: [400],
  })
  get(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: timelineQuerySchema }) query: TimelineQuery,
  ): Promise<Timeline> {
    return this.timeline.get(principal, query)
  }
}
