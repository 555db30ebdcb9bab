import type { z } from 'zod'
import type { DomainEvent } from '#platform/events/domain-event.js'

type EventClass<E extends DomainEvent> = abstract new (...args: never[]) => E

/** A domain event as endpoints are told of it. What is here is a promise: fields may be added, and never change or go. */
export interface PublicEvent {
  /** `<noun>.<past participle>` */
  readonly type: string
  readonly description: string
  /** Of `data` in the body. */
  readonly schema: z.ZodType
  /** A `data` as it may come. */
  readonly example: object
  readonly eventClass: EventClass<DomainEvent>
  /** What is told of a domain event; null: it is not of this type. */
  readonly select: (event: DomainEvent) => object | null
}

interface Definition<E extends DomainEvent, Data extends object> {
  readonly type: string
  readonly description: string
  readonly schema: z.ZodType<Data>
  readonly example: NoInfer<Data>
  readonly eventClass: EventClass<E>
  readonly select: (event: E) => NoInfer<Data> | null
}

/** A public event whose selection and example have the form that its schema promises. */
export function publicEvent<E extends DomainEvent, Data extends object>(definition: Definition<E, Data>): PublicEvent {
  const { select } = definition
  return { ...definition, select: (event) => select(event as E) }
}
