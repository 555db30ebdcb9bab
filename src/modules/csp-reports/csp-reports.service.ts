import { Injectable } from '@nestjs/common'
import pLimit from 'p-limit'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { CspReportEntity } from './csp-report.entity.js'
import { CspReportMetrics } from './csp-report-metrics.service.js'
import { CspReportsRepository } from './csp-reports.repository.js'
import { type CspReports, reportedViolations } from './csp-reports.schemas.js'
import { type CspViolation, fingerprintOf, isOfOrigin, toViolation } from './csp-violation.js'

/** Anybody may report anything: above this, only what is known already is counted. */
export const MAX_CSP_REPORT_ROWS = 1000
/** What no browser has complained of for so long makes room. */
const KEPT_DAYS = 30
const MS_PER_DAY = 24 * 60 * 60 * 1000
/** A flood of reports has one connection of background work, and no more. */
const WRITTEN_AT_ONCE = 1
/** Requests whose reports wait for that connection; those of more are dropped. */
export const MAX_WAITING_CSP_REPORTS = 50

/** Keeps what browsers report of our own documents, one row for each kind of violation. */
@Injectable()
export class CspReportsService {
  private readonly writing = pLimit(WRITTEN_AT_ONCE)

  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly reports: CspReportsRepository,
    private readonly metrics: CspReportMetrics,
    private readonly clock: Clock,
  ) {}

  /**
   * @param host by which the browser has reached us: whose documents are ours, where no PUBLIC_URL says so
   * @throws AppError `validation_failed` for what no browser would report; nothing is kept then
   */
  async record(reports: CspReports, host: string): Promise<void> {
    const violations = toViolations(reports)
    const ours = violations.filter((violation) => isOfOrigin(violation, this.config.settings.PUBLIC_URL, host))
    const rows = this.toRows(ours)
    const stored = rows.length > 0 && this.writing.pendingCount < MAX_WAITING_CSP_REPORTS ? await this.store(rows) : 0
    this.metrics.count({ stored, dropped: violations.length - stored })
  }

  /** @returns how many violations have been counted */
  private async store(rows: readonly CspReportEntity[]): Promise<number> {
    const kept = await this.writing(() =>
      this.database.workers.transaction({ purpose: 'csp-reports' }, async (tx) => {
        const known = await this.reports.countUp(rows, tx)
        const others = rows.filter((row) => !known.has(row.fingerprint.toString('hex')))
        return new Set([...known, ...(await this.add(others, tx))])
      }),
    )
    return rows.filter((row) => kept.has(row.fingerprint.toString('hex'))).reduce((sum, { hits }) => sum + hits, 0)
  }

  /** Drops them when another replica is adding: browsers will tell again. */
  private async add(rows: readonly CspReportEntity[], tx: Tx): Promise<Set<string>> {
    if (rows.length === 0 || !(await this.reports.tryLockForAdding(tx))) return new Set()
    await this.reports.deleteUnseenSince(new Date(this.clock.now().getTime() - KEPT_DAYS * MS_PER_DAY), tx)
    return this.reports.addBelow(MAX_CSP_REPORT_ROWS, rows, tx)
  }

  /** One row a kind, with its hits. */
  private toRows(violations: readonly CspViolation[]): CspReportEntity[] {
    const now = this.clock.now()
    const rows = new Map<string, CspReportEntity>()
    for (const violation of violations) {
      const fingerprint = fingerprintOf(violation)
      const kind = fingerprint.toString('hex')
      const hits = (rows.get(kind)?.hits ?? 0) + 1
      const { directive, documentUri, blockedUri } = violation
      rows.set(kind, { fingerprint, directive, documentUri, blockedUri, hits, firstSeenAt: now, lastSeenAt: now })
    }
    return [...rows.values()]
  }
}

function toViolations(reports: CspReports): CspViolation[] {
  return reportedViolations(reports).map((reported) => {
    const violation = toViolation(reported)
    if (violation === null) {
      throw new AppError('validation_failed', 'invalid', { detail: 'This is no report of a policy violation.' })
    }
    return violation
  })
}
