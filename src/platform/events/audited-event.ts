import { DomainEvent } from './domain-event.js'

/** Who did something. Absent in an event: the principal of the request at hand, or the system outside of one. */
export interface Actor {
  readonly type: 'user' | 'api_key' | 'system' | 'anonymous'
  readonly id: string | null
}

/** What the audit log keeps of an event. Never a secret, nor anything that a password or a key could be guessed from. */
export interface AuditFacts {
  /** From the OWASP Logging Vocabulary where it has a word (`authn_login_success`), else `<noun>_<past participle>`. */
  readonly action: string
  readonly resource: { readonly type: string; readonly id: string }
  readonly actor?: Actor
  /** The changed fields as they were, and as they are now. */
  readonly before?: Readonly<Record<string, unknown>>
  readonly after?: Readonly<Record<string, unknown>>
}

/** An event that the audit log writes down, in the transaction of the change itself. */
export abstract class AuditedEvent extends DomainEvent {
  abstract readonly audit: AuditFacts
}
