import { Controller, Get } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { CacheAnswer } from '#platform/http/response-cache/cache-answer.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { type Dashboard, dashboardSchema } from './dashboard.schemas.js'
import { DashboardService } from './dashboard.service.js'

@ApiTags('metrics')
@Controller('v1/metrics/dashboard')
export class DashboardController {
  constructor(private readonly dashboard: DashboardService) {}

  @Get()
  @CacheAnswer({ kind: 'metrics', tags: [FIGURES_TAG, 'agents'], sharedBy: 'permissions' })
  @Endpoint({
    summary: 'Get the figures of the day',
    description: 'Kept for 30 seconds: runs and costs of the last moments can be missing.',
    access: 'metrics:read',
    answers: [{ status: 200, description: 'The figures.', schema: dashboardSchema }],
  })
  get(@CurrentPrincipal() principal: Principal): Promise<Dashboard> {
    return this.dashboard.get(principal)
  }
}
