import { Controller, Get, Query, Req, Res, StreamableFile } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type AuditEntry,
  type AuditFilter,
  auditFilterSchema,
  type AuditListQuery,
  auditListQuerySchema,
  auditPageSchema,
  type AuditVerification,
  auditVerificationSchema,
} from './audit-log.schemas.js'
import { AuditLogService } from './audit-log.service.js'
import { AuditVerificationService } from './audit-verification.service.js'

const NDJSON = 'application/x-ndjson'
const CSV = 'text/csv'

@ApiTags('audit')
@Controller('v1/audit-log')
export class AuditLogController {
  constructor(
    private readonly log: AuditLogService,
    private readonly verification: AuditVerificationService,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List what was done, newest first',
    access: 'audit:read',
    answers: [{ status: 200, description: 'A page of the audit log.', schema: auditPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: auditListQuerySchema }) query: AuditListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<AuditEntry>> {
    const page = await this.log.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get('verify')
  @Endpoint({
    summary: 'Verify that nobody has rewritten the audit log',
    description: 'Walks the whole chain of hashes, one walk of a tenant at a time.',
    access: 'audit:read',
    answers: [{ status: 200, description: 'Whether the chain holds.', schema: auditVerificationSchema }],
    problems: [409],
  })
  verify(
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuditVerification> {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    return this.verification.verify(principal, gone.signal)
  }

  @Get('export.ndjson')
  @Endpoint({
    summary: 'Export the audit log, an entry a line, newest first',
    access: 'audit:read',
    answers: [{ status: 200, description: 'One JSON entry a line.', mediaType: NDJSON }],
    problems: [400],
  })
  async exportNdjson(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: auditFilterSchema }) filter: AuditFilter,
  ): Promise<StreamableFile> {
    const lines = await this.log.export(principal, filter, 'ndjson')
    return new StreamableFile(lines, { type: NDJSON, disposition: 'attachment; filename="audit-log.ndjson"' })
  }

  @Get('export.csv')
  @Endpoint({
    summary: 'Export the audit log as CSV, newest first',
    description: 'A cell that a spreadsheet would run as a formula begins with an apostrophe.',
    access: 'audit:read',
    answers: [{ status: 200, description: 'A header, then an entry a line (RFC 4180).', mediaType: CSV }],
    problems: [400],
  })
  async exportCsv(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: auditFilterSchema }) filter: AuditFilter,
  ): Promise<StreamableFile> {
    const lines = await this.log.export(principal, filter, 'csv')
    const type = `${CSV}; charset=utf-8; header=present`
    return new StreamableFile(lines, { type, disposition: 'attachment; filename="audit-log.csv"' })
  }
}
