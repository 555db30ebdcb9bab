import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'

/** After this long without another failure the count begins anew. */
const FORGET_AFTER = '1 day'

/** Failed sign-ins in a row, by the hash of the address; for addresses that nobody has, too. Scope: `presentedHash`. */
@Injectable()
export class LoginAttemptsRepository {
  /** Takes the one attempt that a locked account has once its wait is over; false while somebody else has it. */
  async claim({ emailHash, now, until }: { emailHash: Buffer; now: Date; until: Date }, tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      text: `UPDATE login_attempts SET locked_until = $3 WHERE email_hash = $1 AND locked_until <= $2`,
      values: [emailHash, now, until],
    })
    return changed === 1
  }

  /** Gives back what was claimed, as it was before; unless the count has changed since. */
  async release(
    { emailHash, claimed, before }: { emailHash: Buffer; claimed: Date; before: Date },
    tx: Tx,
  ): Promise<void> {
    await tx.execute({
      text: 'UPDATE login_attempts SET locked_until = $3 WHERE email_hash = $1 AND locked_until = $2',
      values: [emailHash, claimed, before],
    })
  }

  /** Counts a failure. @returns failures in a row */
  async fail(emailHash: Buffer, now: Date, tx: Tx): Promise<number> {
    const rows = await tx.query<{ failures: number }>({
      text: `INSERT INTO login_attempts AS a (email_hash, failures, last_failed_at) VALUES ($1, 1, $2)
             ON CONFLICT (email_hash) DO UPDATE
               SET failures = CASE WHEN a.last_failed_at < $2::timestamptz - $3::interval THEN 1 ELSE a.failures + 1 END,
                   last_failed_at = $2
             RETURNING failures`,
      values: [emailHash, now, FORGET_AFTER],
    })
    return rows[0]?.failures ?? 0
  }

  async lock(emailHash: Buffer, until: Date, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE login_attempts SET locked_until = $2 WHERE email_hash = $1',
      values: [emailHash, until],
    })
  }

  /** A success, or a reset, ends the count. */
  async clear(emailHash: Buffer, tx: Tx): Promise<void> {
    await tx.execute({ text: 'DELETE FROM login_attempts WHERE email_hash = $1', values: [emailHash] })
  }
}
