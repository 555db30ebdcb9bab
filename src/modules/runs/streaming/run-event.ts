/** What can happen in a run, as streams, polling and webhooks name it. */
export const RUN_EVENT_TYPES = [
  'run.started',
  'step.started',
  'output.delta',
  'tool.called',
  'tool.finished',
  'run.delegated',
  'approval.requested',
  'approval.decided',
  'step.finished',
  'run.completed',
  'run.failed',
  'run.cancelled',
] as const
export type RunEventType = (typeof RUN_EVENT_TYPES)[number]

/** One entry of a run's event log. */
export interface RunEvent {
  /** From 1, one more each; after a crash a few numbers may be missing, and none comes twice. */
  readonly sequence: number
  readonly type: RunEventType
  readonly data: Readonly<Record<string, unknown>>
  readonly createdAt: Date
}

const LAST_TYPES: ReadonlySet<RunEventType> = new Set(['run.completed', 'run.failed', 'run.cancelled'])

/** Whether nothing comes after it. */
export function isLastEvent({ type }: Pick<RunEvent, 'type'>): boolean {
  return LAST_TYPES.has(type)
}
