import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'

/** Executions whose runs have ended. */
@Injectable()
export class RunEndsRepository {
  /** A reason that it has already tells more: somebody had it stopped. */
  async end(
    { runId, status, reason }: { runId: string; status: 'completed' | 'failed'; reason: string | null },
    tx: Tx,
  ): Promise<void> {
    await tx.execute({
      name: 'execution_end',
      text: `UPDATE task_executions
                SET status = $2, finished_at = clock_timestamp(), is_uncounted = true,
                    reason = CASE WHEN $2 = 'failed' THEN coalesce(reason, $3) END
              WHERE tenant_id = app_tenant() AND run_id = $1 AND status = 'running'`,
      values: [runId, status, reason],
    })
  }
}
