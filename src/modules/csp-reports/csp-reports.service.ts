import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import type { CspReportEntity } from './csp-report.entity.js'
import { CspReportsRepository } from './csp-reports.repository.js'
import { type CspReports, reportedViolations } from './csp-reports.schemas.js'
import { fingerprintOf, toViolation } from './csp-violation.js'

/** Anybody may report anything: above this, only what is known already is counted. */
export const MAX_CSP_REPORT_ROWS = 1000
/** What no browser has complained of for so long makes room. */
const KEPT_DAYS = 30
const MS_PER_DAY = 24 * 60 * 60 * 1000

/** Keeps what browsers report, one row for each kind of violation. */
@Injectable()
export class CspReportsService {
  constructor(
    private readonly database: Database,
    private readonly reports: CspReportsRepository,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `validation_failed` for what no browser would report; nothing is kept then */
  async record(reports: CspReports): Promise<void> {
    const rows = this.toRows(reports)
    if (rows.length === 0) return
    const now = this.clock.now()
    await this.database.transaction({ purpose: 'csp-reports' }, async (tx) => {
      await this.reports.lockForAdding(tx)
      await this.reports.deleteUnseenSince(new Date(now.getTime() - KEPT_DAYS * MS_PER_DAY), tx)
      for (const row of rows) {
        if (!(await this.reports.countUp(row, tx))) await this.reports.addBelow(MAX_CSP_REPORT_ROWS, row, tx)
      }
    })
  }

  private toRows(reports: CspReports): CspReportEntity[] {
    const now = this.clock.now()
    return reportedViolations(reports).map((reported) => {
      const violation = toViolation(reported)
      if (violation === null) {
        throw new AppError('validation_failed', 'invalid', { detail: 'This is no report of a policy violation.' })
      }
      const { directive, documentUri, blockedUri } = violation
      const fingerprint = fingerprintOf(violation)
      return { fingerprint, directive, documentUri, blockedUri, hits: 1, firstSeenAt: now, lastSeenAt: now }
    })
  }
}
