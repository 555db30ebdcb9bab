/** A delivery that this replica has claimed, with all that it takes to send it. */
export interface ClaimedDelivery {
  readonly tenantId: string
  readonly id: string
  readonly webhookId: string
  /** Whoever writes its outcome must still have it. */
  readonly claimNumber: string
  readonly messageId: string
  readonly eventType: string
  readonly body: string
  /** With a known outcome, so far. */
  readonly attempts: number
  /** How far it is in the schedule of retries. */
  readonly retryStep: number
  /** Its time had not come yet: the endpoint seems to recover. */
  readonly isEarly: boolean
  /** Since when it was due. */
  readonly dueAt: Date
  readonly createdAt: Date
}

/** Where a claimed delivery goes. */
export interface DeliveryTarget {
  readonly url: string
  /** The bytes of the signing keys, the current one first. */
  readonly keys: readonly Buffer[]
}

/** What came of one request. */
export interface Attempt {
  readonly url: string
  readonly startedAt: Date
  readonly durationMs: number
  /** Null: there was no answer. */
  readonly status: number | null
  readonly headers: Readonly<Record<string, string>> | null
  /** Its first 4 KiB; null: it did not come in full. */
  readonly body: string | null
  /** Null: it succeeded, with a 2xx status and all of the answer. */
  readonly error: string | null
}

/** The status that asks for no more, ever. */
const GONE = 410
/** Statuses with which a receiver speaks for itself and not for one delivery: its `Retry-After` holds for all. */
const BUSY = new Set([429, 503])

export function isSuccess({ error }: Attempt): boolean {
  return error === null
}

export function isGone({ status }: Attempt): boolean {
  return status === GONE
}

export function isBusy({ status }: Attempt): boolean {
  return status !== null && BUSY.has(status)
}
