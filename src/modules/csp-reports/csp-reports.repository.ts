import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { CspReportEntity } from './csp-report.entity.js'

/** Any number, the same for all: one adds rows at a time, so that all count alike. */
const ADD_LOCK = 0x63_73_70

/** `csp_reports`, in a transaction of purpose `csp-reports`. None of this waits for another report's transaction. */
@Injectable()
export class CspReportsRepository {
  /**
   * Counts up those that are known. One that somebody else counts just now is left out: a hit lost is better than a wait.
   * @returns the fingerprints of those that were counted, in hex
   */
  async countUp(reports: readonly CspReportEntity[], tx: Tx): Promise<Set<string>> {
    const rows = await tx.query<{ fingerprint: string }>({
      name: 'csp_reports_count_up',
      text: `WITH reported AS (SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::timestamptz[]) AS r (fingerprint, hits, seen_at)),
             known AS (SELECT fingerprint FROM csp_reports WHERE fingerprint = ANY($1::bytea[]) FOR UPDATE SKIP LOCKED)
             UPDATE csp_reports c SET hits = c.hits + r.hits, last_seen_at = r.seen_at
               FROM reported r JOIN known USING (fingerprint) WHERE c.fingerprint = r.fingerprint
             RETURNING encode(c.fingerprint, 'hex') AS fingerprint`,
      values: [
        reports.map(({ fingerprint }) => fingerprint),
        reports.map(({ hits }) => hits),
        reports.map(({ lastSeenAt }) => lastSeenAt),
      ],
    })
    return new Set(rows.map(({ fingerprint }) => fingerprint))
  }

  /** Until the transaction ends. @returns false when somebody else is adding */
  async tryLockForAdding(tx: Tx): Promise<boolean> {
    const [row] = await tx.query<{ locked: boolean }>({
      text: 'SELECT pg_try_advisory_xact_lock($1) AS locked',
      values: [ADD_LOCK],
    })
    return row?.locked === true
  }

  async deleteUnseenSince(time: Date, tx: Tx): Promise<void> {
    await tx.execute({
      text: `DELETE FROM csp_reports WHERE fingerprint IN (
               SELECT fingerprint FROM csp_reports WHERE last_seen_at < $1 FOR UPDATE SKIP LOCKED)`,
      values: [time],
    })
  }

  /**
   * Adds as many as there is room for below `maxRows`, under the lock.
   * @returns the fingerprints of those that were added, in hex
   */
  async addBelow(maxRows: number, reports: readonly CspReportEntity[], tx: Tx): Promise<Set<string>> {
    const rows = await tx.query<{ fingerprint: string }>({
      name: 'csp_reports_add',
      text: `INSERT INTO csp_reports (fingerprint, document_uri, directive, blocked_uri, hits, first_seen_at, last_seen_at)
             SELECT r.* FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
                          AS r (fingerprint, document_uri, directive, blocked_uri, hits, first_seen_at, last_seen_at)
              WHERE NOT EXISTS (SELECT 1 FROM csp_reports c WHERE c.fingerprint = r.fingerprint)
              LIMIT greatest(0, $8 - (SELECT count(*) FROM csp_reports))
             RETURNING encode(fingerprint, 'hex') AS fingerprint`,
      values: [
        reports.map(({ fingerprint }) => fingerprint),
        reports.map(({ documentUri }) => documentUri),
        reports.map(({ directive }) => directive),
        reports.map(({ blockedUri }) => blockedUri),
        reports.map(({ hits }) => hits),
        reports.map(({ firstSeenAt }) => firstSeenAt),
        reports.map(({ lastSeenAt }) => lastSeenAt),
        maxRows,
      ],
    })
    return new Set(rows.map(({ fingerprint }) => fingerprint))
  }
}
