import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid } from '#kernel/ids.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { SessionsEnded } from '../auth.events.js'
import type { Session, SessionListQuery } from '../auth.schemas.js'
import type { SessionEntity } from './session.entity.js'
import { SessionsRepository } from './sessions.repository.js'

/** A person's own sessions: what is open, and ending it. What is ended is refused by the next request, on every replica. */
@Injectable()
export class Sessions {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsRepository,
    private readonly events: EventBus,
    private readonly epochs: Epochs,
    private readonly clock: Clock,
  ) {}

  /** In all of the user's tenants, newest first. */
  async list({ userId, sessionId }: Principal, { limit, cursor }: SessionListQuery): Promise<Page<Session>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.database.transaction({ userId }, (tx) =>
      this.sessions.list({ userId, now: this.clock.now(), after, limit: limit + 1 }, tx),
    )
    const page = toPage(rows, limit, ({ id }) => id)
    return { ...page, data: page.data.map((row) => toSession(row, sessionId)) }
  }

  /** @throws AppError `not_found`, the same for another user's session */
  async end({ tenantId, userId }: Principal, id: string): Promise<void> {
    const ended = isUuid(id) && (await this.endWhere(tenantId, userId, id))
    if (!ended) throw new AppError('not_found', 'not_found', { detail: 'There is no such session.' })
    await this.epochs.advance([sessionEpoch(id)])
  }

  /** Ends every session of the user, this one included, in all of his tenants. */
  async endAll({ tenantId, userId }: Principal): Promise<void> {
    const ended = await this.database.transaction({ tenantId, userId }, async (tx) => {
      const ids = await this.sessions.endAll({ userId, exceptSessionId: null, now: this.clock.now() }, tx)
      await this.events.emit(new SessionsEnded(tenantId, userId, ids), tx)
      return ids
    })
    await this.epochs.advance(ended.map(sessionEpoch))
  }

  private endWhere(tenantId: string, userId: string, id: string): Promise<boolean> {
    return this.database.transaction({ tenantId, userId }, async (tx) => {
      const ended = await this.sessions.end({ id, userId, now: this.clock.now() }, tx)
      if (ended) await this.events.emit(new SessionsEnded(tenantId, userId, [id]), tx)
      return ended
    })
  }
}

function toSession(row: SessionEntity, currentId: string | null): Session {
  return {
    id: row.id,
    tenantId: row.tenantId,
    current: row.id === currentId,
    userAgent: row.userAgent,
    address: row.address,
    createdAt: row.createdAt.toISOString(),
    lastUsedAt: row.lastUsedAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
  }
}
