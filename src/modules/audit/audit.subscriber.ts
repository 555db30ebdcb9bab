import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import type { Tx } from '#platform/database/tx.js'
import { type Actor, AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { readableAddress } from '#platform/http/client-network.js'
import { requestContext } from '#platform/http/request-context.js'
import { canonicalPayload, type ChainedFacts, genesisHash } from './audit-chain.js'
import { recordedChanges, storableText } from './audit-facts.js'
import { AuditLogRepository } from './audit-log.repository.js'
import { searchTextOf } from './search-text.js'

/** Of an action, a type, an id: names and not prose. */
const MAX_NAME_LENGTH = 300

/** Writes down every audited event, in the transaction of the change itself. */
@Injectable()
export class AuditSubscriber implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly log: AuditLogRepository,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(AuditedEvent, async (event, tx) => this.record(event, tx))
  }

  private record(event: AuditedEvent, tx: Tx): void {
    const { tenantId } = event
    const facts = this.factsOf(event)
    const entry = {
      tenantId,
      facts,
      payload: canonicalPayload(tenantId, facts),
      genesis: genesisHash(tenantId),
      searchText: searchTextOf(facts),
    }
    // Last thing before COMMIT: the chain's end is locked for a round trip and no longer, and since whoever holds it waits for
    // no other lock, two writers cannot wait for each other.
    tx.beforeCommit(() => this.log.append(entry, tx))
  }

  private factsOf({ audit }: AuditedEvent): ChainedFacts {
    const context = requestContext.getStore()
    const actor = audit.actor ?? actorAtHand()
    return {
      id: newId(),
      occurredAt: this.clock.now().toISOString(),
      actor: { type: actor.type, id: actor.id && storableText(actor.id, MAX_NAME_LENGTH) },
      action: storableText(audit.action, MAX_NAME_LENGTH),
      resource: {
        type: storableText(audit.resource.type, MAX_NAME_LENGTH),
        id: storableText(audit.resource.id, MAX_NAME_LENGTH),
      },
      ...recordedChanges(audit.before, audit.after),
      address: readableAddress(context?.address),
      requestId: context?.requestId ?? null,
    }
  }
}

/** A key before its maker: it is what asked. Outside of a request, nobody did. */
function actorAtHand(): Actor {
  const context = requestContext.getStore()
  if (!context) return { type: 'system', id: null }
  if (context.apiKeyId !== undefined) return { type: 'api_key', id: context.apiKeyId }
  if (context.userId !== undefined) return { type: 'user', id: context.userId }
  return { type: 'anonymous', id: null }
}
