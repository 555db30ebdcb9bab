import { Injectable } from '@nestjs/common'
import type { Tx } from '../database/tx.js'
import type { DomainEvent } from './domain-event.js'

type EventClass<E extends DomainEvent> = abstract new (...args: never[]) => E
type Subscriber = (event: DomainEvent, tx: Tx) => Promise<void>

/**
 * Runs an event's subscribers inside the emitter's transaction. They only write rows: one commit holds the fact and all
 * that follows from it, so nothing is lost between the two. Network happens later, from the rows.
 */
@Injectable()
export class EventBus {
  private readonly subscribers: { readonly eventClass: EventClass<DomainEvent>; readonly run: Subscriber }[] = []

  /** Registers a subscriber for a class of events and its subclasses; at start-up only. */
  subscribe<E extends DomainEvent>(eventClass: EventClass<E>, run: (event: E, tx: Tx) => Promise<void>): void {
    this.subscribers.push({ eventClass, run: run as Subscriber })
  }

  /**
   * Rejects when a subscriber does, which rolls back the caller's transaction. All are called before this waits for any: where
   * the transaction is one flight, a subscriber asks for what it writes before it waits.
   */
  async emit(event: DomainEvent, tx: Tx): Promise<void> {
    const concerned = this.subscribers.filter(({ eventClass }) => event instanceof eventClass)
    await Promise.all(concerned.map(({ run }) => run(event, tx)))
  }
}
