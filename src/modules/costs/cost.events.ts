import { DomainEvent } from '#platform/events/domain-event.js'

/** A model call has been booked, whatever became of it. */
export class ModelCallBooked extends DomainEvent {
  override readonly type = 'model_call.booked'

  constructor(
    readonly tenantId: string,
    readonly inputTokens: number,
    readonly outputTokens: number,
  ) {
    super()
  }
}
