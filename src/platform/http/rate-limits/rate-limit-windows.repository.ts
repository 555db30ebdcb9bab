import { Injectable } from '@nestjs/common'
import type { Tx } from '../../database/tx.js'
import type { Window } from './window.js'

/** Fixed windows in PostgreSQL. Its transactions are in the scope `rate-limits`. */
@Injectable()
export class RateLimitWindowsRepository {
  /** Counts one request in its window, which begins anew when it has ended. */
  async hit({ keyHash, windowMs }: { keyHash: Buffer; windowMs: number }, tx: Tx): Promise<Window> {
    const [row] = await tx.query<{ hits: number; remainingMs: number }>({
      name: 'rate_limit_hit',
      text: `INSERT INTO rate_limit_windows AS counted (key_hash, hits, expires_at)
             VALUES ($1, 1, now() + $2::double precision * interval '1 millisecond')
             ON CONFLICT (key_hash) DO UPDATE
               SET hits = CASE WHEN counted.expires_at > now() THEN counted.hits + 1 ELSE 1 END,
                   expires_at = CASE WHEN counted.expires_at > now() THEN counted.expires_at ELSE EXCLUDED.expires_at END
             RETURNING hits, extract(epoch FROM expires_at - now())::double precision * 1000 AS "remainingMs"`,
      values: [keyHash, windowMs],
    })
    if (!row) throw new Error('the upsert of a rate-limit window gave no row')
    return row
  }

  /** @returns how many there were, at most `limit` */
  deleteExpired({ limit }: { limit: number }, tx: Tx): Promise<number> {
    return tx.execute({
      text: `DELETE FROM rate_limit_windows WHERE key_hash IN
               (SELECT key_hash FROM rate_limit_windows WHERE expires_at < now() ORDER BY expires_at LIMIT $1)`,
      values: [limit],
    })
  }
}
