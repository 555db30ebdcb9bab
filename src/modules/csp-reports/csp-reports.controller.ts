import { Body, Controller, Post, Req } from '@nestjs/common'
import { ApiConsumes, ApiTags } from '@nestjs/swagger'
import type { FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { CspReportsService } from './csp-reports.service.js'
import { type CspReports, cspReportsSchema } from './csp-reports.schemas.js'

const BODY_LIMIT_BYTES = 16 * 1024

@ApiTags('csp-reports')
@Controller('csp-reports')
export class CspReportsController {
  constructor(private readonly reports: CspReportsService) {}

  @Post()
  @ApiConsumes('application/csp-report', 'application/reports+json', 'application/json')
  @Endpoint({
    summary: 'Report what a Content-Security-Policy of ours has stopped',
    description: 'For browsers: the addresses `report-uri` and `report-to` of the policies lead here.',
    access: 'public',
    rateLimit: 'csp-reports',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    answers: [{ status: 204, description: 'Taken.' }],
    problems: [400],
  })
  async report(
    @Body({ schema: cspReportsSchema }) reports: CspReports,
    @Req() { host }: FastifyRequest,
  ): Promise<void> {
    await this.reports.record(reports, host)
  }
}
