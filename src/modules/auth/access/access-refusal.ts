/** Of the worker that writes refusals down. */
export const ACCESS_REFUSALS_QUEUE = 'auth.access-refusals'

/** A request that its principal had no permission for, on its way to the audit log. */
export interface AccessRefusal {
  readonly tenantId: string
  readonly userId: string
  readonly apiKeyId: string | null
  /** The permission that was missing; `session` where an API key did what takes a person. */
  readonly permission: string
  /** Method and template: the path itself may quote anything. */
  readonly route: string
  readonly requestId: string
  readonly address?: string
}
