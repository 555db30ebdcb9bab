import { Injectable, type OnModuleInit } from '@nestjs/common'
import { EntriesRerated } from '#modules/costs'
import { EventBus } from '#platform/events/event-bus.js'
import { RunCostsRepository } from './run-costs.repository.js'

/** Gives runs their cost in the transaction that gives their entries a price. */
@Injectable()
export class ReratedEntries implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly costs: RunCostsRepository,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(EntriesRerated, ({ tenantId, runIds }, tx) => this.costs.addUp(tenantId, runIds, tx))
  }
}
