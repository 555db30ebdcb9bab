import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { DomainEvent } from '#platform/events/domain-event.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { PUBLIC_EVENTS } from './catalogue/catalogue.js'
import type { PublicEvent } from './catalogue/public-event.js'
import { toMessage } from './message.js'
import { WebhookMessagesRepository } from './webhook-messages.repository.js'

/** Event → one delivery for each endpoint that wants it, in the event's own transaction: what is committed is told. */
@Injectable()
export class WebhookFanOut implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly messages: WebhookMessagesRepository,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    for (const definition of PUBLIC_EVENTS) {
      this.events.subscribe(definition.eventClass, (event, tx) => this.tell(definition, event, tx))
    }
  }

  private async tell({ type, select }: PublicEvent, event: DomainEvent, tx: Tx): Promise<void> {
    const data = select(event)
    if (data) await this.messages.fanOut(toMessage(type, data, this.clock.now()), tx)
  }
}
