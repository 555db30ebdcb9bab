import { Injectable } from '@nestjs/common'
import type { Tx } from '../../database/tx.js'
import type { Claim } from './claim.js'

/** A tenant's key, as a request names it. */
export interface KeyOfTenant {
  readonly tenantId: string
  readonly key: string
}

export interface ClaimAttempt extends KeyOfTenant {
  readonly requestHash: Buffer
  readonly leaseMs: number
  readonly lifeMs: number
}

interface ClaimRow {
  readonly fencing_number: number
  readonly resource_id: string | null
}

/** A key that could not be claimed. */
export interface KeyRow {
  readonly request_hash: Buffer
  readonly response_status: number | null
  readonly response_headers: Record<string, string> | null
  readonly response_body: Buffer | null
}

/** An answer in the form in which it is stored. */
export interface SealedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | null
}

/** Leases and lives are on the database's clock, which all replicas share. */
@Injectable()
export class IdempotencyRepository {
  /**
   * Takes a key that is new, has outlived its day, or was left by an attempt of the same request whose lease has run out.
   * Null otherwise; the row is locked then, so that what `find` gives next in this transaction is still so.
   */
  async claim(attempt: ClaimAttempt, tx: Tx): Promise<ClaimRow | null> {
    const rows = await tx.query<ClaimRow>({
      name: 'idempotency_claim',
      text: `INSERT INTO idempotency_keys AS k (tenant_id, key, request_hash, lease_expires_at, created_at, expires_at)
             VALUES ($1, $2, $3, now() + $4 * interval '1 ms', now(), now() + $5 * interval '1 ms')
             ON CONFLICT (tenant_id, key) DO UPDATE SET
               request_hash = excluded.request_hash,
               fencing_number = k.fencing_number + 1,
               lease_expires_at = excluded.lease_expires_at,
               resource_id = CASE WHEN k.expires_at > now() THEN k.resource_id END,
               response_status = NULL,
               response_headers = NULL,
               response_body = NULL,
               created_at = CASE WHEN k.expires_at > now() THEN k.created_at ELSE excluded.created_at END,
               expires_at = CASE WHEN k.expires_at > now() THEN k.expires_at ELSE excluded.expires_at END
             WHERE k.expires_at <= now() OR (k.request_hash = excluded.request_hash AND k.response_status IS NULL
               AND k.lease_expires_at <= now())
             RETURNING k.fencing_number, k.resource_id`,
      values: [attempt.tenantId, attempt.key, attempt.requestHash, attempt.leaseMs, attempt.lifeMs],
    })
    return rows[0] ?? null
  }

  async find({ tenantId, key }: KeyOfTenant, tx: Tx): Promise<KeyRow | null> {
    const rows = await tx.query<KeyRow>({
      name: 'idempotency_find',
      text: `SELECT request_hash, response_status, response_headers, response_body
               FROM idempotency_keys WHERE tenant_id = $1 AND key = $2`,
      values: [tenantId, key],
    })
    return rows[0] ?? null
  }

  /** @returns whether the claim still held */
  async bind({ tenantId, key, fencingNumber }: Claim, resourceId: string, tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      name: 'idempotency_bind',
      text: `UPDATE idempotency_keys SET resource_id = $4
              WHERE tenant_id = $1 AND key = $2 AND fencing_number = $3 AND response_status IS NULL`,
      values: [tenantId, key, fencingNumber, resourceId],
    })
    return changed === 1
  }

  /** @returns whether the claim still held */
  async complete({ tenantId, key, fencingNumber }: Claim, answer: SealedAnswer, tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      name: 'idempotency_complete',
      text: `UPDATE idempotency_keys
                SET response_status = $4, response_headers = $5, response_body = $6, lease_expires_at = NULL
              WHERE tenant_id = $1 AND key = $2 AND fencing_number = $3 AND response_status IS NULL`,
      values: [tenantId, key, fencingNumber, answer.status, JSON.stringify(answer.headers), answer.body],
    })
    return changed === 1
  }

  /**
   * Gives the key back: anew when nothing was written under it, else for the next attempt to go on from there. A renewal
   * that is still on its way finds another fencing number.
   */
  async release({ tenantId, key, fencingNumber }: Claim, tx: Tx): Promise<void> {
    const values = [tenantId, key, fencingNumber]
    await Promise.all([
      tx.execute({
        name: 'idempotency_forget',
        text: `DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key = $2 AND fencing_number = $3
                  AND response_status IS NULL AND resource_id IS NULL`,
        values,
      }),
      tx.execute({
        name: 'idempotency_release',
        text: `UPDATE idempotency_keys SET lease_expires_at = now(), fencing_number = fencing_number + 1
                WHERE tenant_id = $1 AND key = $2 AND fencing_number = $3 AND response_status IS NULL`,
        values,
      }),
    ])
  }

  /** Claims of one tenant. */
  async extendLeases(tenantId: string, claims: readonly Claim[], leaseMs: number, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'idempotency_extend_leases',
      text: `UPDATE idempotency_keys k SET lease_expires_at = now() + $2 * interval '1 ms'
               FROM unnest($3::text[], $4::integer[]) AS held (key, fencing_number)
              WHERE k.tenant_id = $1 AND k.key = held.key AND k.fencing_number = held.fencing_number
                AND k.response_status IS NULL`,
      values: [tenantId, leaseMs, claims.map(({ key }) => key), claims.map(({ fencingNumber }) => fencingNumber)],
    })
  }

  /** In the scope of the purpose `idempotency.sweep`, across tenants. @returns how many */
  deleteExpired(limit: number, tx: Tx): Promise<number> {
    return tx.execute({
      text: `DELETE FROM idempotency_keys WHERE (tenant_id, key) IN
               (SELECT tenant_id, key FROM idempotency_keys WHERE expires_at < now() ORDER BY expires_at LIMIT $1)`,
      values: [limit],
    })
  }
}
