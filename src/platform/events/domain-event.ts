/**
 * Something that has happened, in the past tense: ids and facts, never entities. `type` is the public name
 * (`run.completed`), which webhooks and streams use too.
 */
export abstract class DomainEvent {
  abstract readonly type: string
  abstract readonly tenantId: string
}
