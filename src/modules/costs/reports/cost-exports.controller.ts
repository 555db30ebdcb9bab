import { Readable } from 'node:stream'
import { Controller, Get, Query, Req, StreamableFile } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { type CostEntryFilter, costEntryFilterSchema } from './cost-entries.schemas.js'
import { CostExports } from './cost-exports.service.js'

const CSV = 'text/csv'
const NDJSON = 'application/x-ndjson'
const DESCRIPTION =
  'What was booked by the beginning of the download. One that breaks off is not complete: its connection is cut.'

@ApiTags('costs')
@Controller('v1/costs')
export class CostExportsController {
  constructor(private readonly exports: CostExports) {}

  @Get('export.csv')
  @Endpoint({
    summary: 'Export booked model calls as CSV, oldest first',
    description: `${DESCRIPTION} A cell that a spreadsheet would run as a formula begins with an apostrophe.`,
    access: 'costs:read',
    answers: [{ status: 200, description: 'A header, then an entry a line (RFC 4180).', mediaType: CSV }],
    problems: [400],
  })
  async exportCsv(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: costEntryFilterSchema }) filter: CostEntryFilter,
    @Req() request: FastifyRequest,
  ): Promise<StreamableFile> {
    const lines = isHead(request) ? Readable.from([]) : await this.exports.open(principal, filter, 'csv')
    return new StreamableFile(lines, { type: `${CSV}; charset=utf-8`, disposition: attachment('costs.csv') })
  }

  @Get('export.ndjson')
  @Endpoint({
    summary: 'Export booked model calls, one a line, oldest first',
    description: DESCRIPTION,
    access: 'costs:read',
    answers: [{ status: 200, description: 'One JSON entry a line, as the list has them.', mediaType: NDJSON }],
    problems: [400],
  })
  async exportNdjson(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: costEntryFilterSchema }) filter: CostEntryFilter,
    @Req() request: FastifyRequest,
  ): Promise<StreamableFile> {
    const lines = isHead(request) ? Readable.from([]) : await this.exports.open(principal, filter, 'ndjson')
    return new StreamableFile(lines, { type: NDJSON, disposition: attachment('costs.ndjson') })
  }
}

function attachment(name: string): string {
  return `attachment; filename="${name}"`
}

/** Fastify would read the whole export, to drop it. */
function isHead({ method }: FastifyRequest): boolean {
  return method === 'HEAD'
}
