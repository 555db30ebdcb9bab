import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { Epochs } from '#platform/cache/epochs.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { RefreshTokenReplayed } from '../auth.events.js'
import { SessionsRepository } from './sessions.repository.js'

/** Ends sessions whose refresh token is in two hands. */
@Injectable()
export class ReplayedSessions {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly events: EventBus,
    private readonly epochs: Epochs,
    private readonly clock: Clock,
  ) {}

  async end({ tenantId, userId, id }: { tenantId: string; userId: string; id: string }, tx: Tx): Promise<void> {
    await this.sessions.end({ id, userId, now: this.clock.now() }, tx)
    await this.events.emit(new RefreshTokenReplayed(tenantId, userId, id), tx)
  }

  /** After the commit. */
  async forget(sessionId: string): Promise<void> {
    await this.epochs.advance([sessionEpoch(sessionId)])
  }
}
