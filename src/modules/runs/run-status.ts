/** `pending` → `running` ⇄ `waiting_approval` → `completed` | `failed` | `cancelled`. */
export const RUN_STATUSES = ['pending', 'running', 'waiting_approval', 'completed', 'failed', 'cancelled'] as const
export type RunStatus = (typeof RUN_STATUSES)[number]

const FINISHED: ReadonlySet<RunStatus> = new Set(['completed', 'failed', 'cancelled'])

export function isFinished(status: RunStatus): boolean {
  return FINISHED.has(status)
}
