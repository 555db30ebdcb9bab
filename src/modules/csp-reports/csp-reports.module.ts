import { Module, type OnModuleInit } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
import type { FastifyInstance } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import { cspReportMetricsProviders } from './csp-report-metrics.service.js'
import { CspReportsController } from './csp-reports.controller.js'
import { CspReportsRepository } from './csp-reports.repository.js'
import { CspReportsService } from './csp-reports.service.js'

const PATH = '/csp-reports'
const BROWSERS_TYPES = ['application/csp-report', 'application/reports+json']

@Module({
  controllers: [CspReportsController],
  providers: [CspReportsService, CspReportsRepository, ...cspReportMetricsProviders],
})
export class CspReportsModule implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost) {}

  /** Browsers send these types to other sites without asking first: only this route may take them. */
  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>()
    const parseJson = fastify.getDefaultJsonParser('error', 'error')
    fastify.addContentTypeParser<string>(BROWSERS_TYPES, { parseAs: 'string' }, (request, body, done) => {
      if (request.routeOptions.url === PATH) return parseJson(request, body, done)
      const detail = 'This content type is not supported: send application/json.'
      done(new AppError('unsupported_media_type', 'unsupported_media_type', { detail }))
    })
  }
}
