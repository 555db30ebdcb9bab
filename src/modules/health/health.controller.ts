import { Controller, Get } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { APP_VERSION } from '#platform/config/app-version.js'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Health, healthSchema, livenessSchema, readinessSchema } from './health.schemas.js'
import { HealthService } from './health.service.js'

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  @Get()
  @Endpoint({
    summary: 'What the server stands on',
    access: 'public',
    rateLimit: 'health',
    answers: [{ status: 200, description: 'It works, perhaps without its cache.', schema: healthSchema }],
  })
  describe(): Promise<Health> {
    return this.health.describe(APP_VERSION)
  }

  @Get('liveness')
  @Endpoint({
    summary: 'Whether the process lives',
    description: 'Touches nothing: a database that is away is no reason to restart the process.',
    access: 'public',
    rateLimit: 'none',
    answers: [{ status: 200, description: 'It lives.', schema: livenessSchema }],
  })
  isAlive(): { status: 'ok' } {
    return { status: 'ok' }
  }

  @Get('readiness')
  @Endpoint({
    summary: 'Whether to send requests here',
    access: 'public',
    rateLimit: 'none',
    answers: [{ status: 200, description: 'It can serve.', schema: readinessSchema }],
  })
  async isReady(): Promise<{ status: 'ready' }> {
    await this.health.assertReady()
    return { status: 'ready' }
  }
}
