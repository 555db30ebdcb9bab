import { DomainEvent } from '#platform/events/domain-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { TestApp } from './test-app.js'

/** Listens to an app's events from now on. */
export function recordEvents(app: TestApp): { ofType(prefix: string): DomainEvent[] } {
  const events: DomainEvent[] = []
  app.nest.get(EventBus).subscribe(DomainEvent, async (event) => {
    events.push(event)
  })
  return { ofType: (prefix) => events.filter(({ type }) => type.startsWith(prefix)) }
}
