import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { ApprovalDecided } from '#modules/approvals'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { DelegationsRepository } from './engine/delegations.repository.js'
import { RunBell } from './engine/run-bell.service.js'

/** Puts a run back into the queue in the transaction that decides what it waited for. */
@Injectable()
export class ApprovalDecisions implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly delegations: DelegationsRepository,
    private readonly bell: RunBell,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(ApprovalDecided, (event, tx) => this.resume(event, tx))
  }

  private async resume({ tenantId, runId }: ApprovalDecided, tx: Tx): Promise<void> {
    const isQueued = await this.delegations.queueDecided({ tenantId, runId }, this.clock.now(), tx)
    if (isQueued) await this.bell.ring(tx)
  }
}
