import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { CspReportEntity } from './csp-report.entity.js'

/** Any number, the same for all: who adds rows waits for who does, so that all count alike. */
const ADD_LOCK = 0x63_73_70

/** `csp_reports`, in a transaction of purpose `csp-reports`. */
@Injectable()
export class CspReportsRepository {
  /** @returns false when no such report is known */
  async countUp({ fingerprint, hits, lastSeenAt }: CspReportEntity, tx: Tx): Promise<boolean> {
    const updated = await tx.execute({
      text: 'UPDATE csp_reports SET hits = hits + $2, last_seen_at = $3 WHERE fingerprint = $1',
      values: [fingerprint, hits, lastSeenAt],
    })
    return updated > 0
  }

  /** Until the transaction ends. */
  async lockForAdding(tx: Tx): Promise<void> {
    await tx.execute({ text: 'SELECT pg_advisory_xact_lock($1)', values: [ADD_LOCK] })
  }

  async deleteUnseenSince(time: Date, tx: Tx): Promise<void> {
    await tx.execute({ text: 'DELETE FROM csp_reports WHERE last_seen_at < $1', values: [time] })
  }

  /** Adds the report while there are fewer than `maxRows`. */
  async addBelow(maxRows: number, report: CspReportEntity, tx: Tx): Promise<void> {
    await tx.execute({
      text: `INSERT INTO csp_reports (fingerprint, document_uri, directive, blocked_uri, hits, first_seen_at, last_seen_at)
             SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM csp_reports) < $8`,
      values: [
        report.fingerprint,
        report.documentUri,
        report.directive,
        report.blockedUri,
        report.hits,
        report.firstSeenAt,
        report.lastSeenAt,
        maxRows,
      ],
    })
  }
}
