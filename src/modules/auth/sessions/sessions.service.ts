import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid } from '#kernel/ids.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { SessionsEnded } from '../auth.events.js'
import type { Session, SessionListQuery } from '../auth.schemas.js'
import type { SessionEntity } from './session.entity.js'
import { type EndedSession, SessionsRepository } from './sessions.repository.js'

/** A person's own sessions: what is open, and ending it. What is ended is refused by the next request, on every replica. */
@Injectable()
export class Sessions {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsRepository,
    private readonly events: AccountEvents,
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
  async end({ userId }: Pick<Principal, 'userId'>, id: string): Promise<void> {
    const ended = isUuid(id) && (await this.endOne(userId, id))
    if (!ended) throw new AppError('not_found', 'not_found', { detail: 'There is no such session.' })
    await this.epochs.advance([sessionEpoch(id)])
  }

  /** Ends every session of the user, this one included, in all of his tenants. */
  async endAll({ userId }: Principal): Promise<void> {
    const ended = await this.database.transaction({ userId }, async (tx) => {
      const sessions = await this.sessions.endAll({ userId, exceptSessionId: null, now: this.clock.now() }, tx)
      await this.tell(userId, sessions, tx)
      return sessions
    })
    await this.epochs.advance(ended.map(({ id }) => sessionEpoch(id)))
  }

  private endOne(userId: string, id: string): Promise<boolean> {
    return this.database.transaction({ userId }, async (tx) => {
      const tenantId = await this.sessions.end({ id, userId, now: this.clock.now() }, tx)
      if (tenantId !== null) await this.tell(userId, [{ id, tenantId }], tx)
      return tenantId !== null
    })
  }

  /** Each team of its own sessions: how many he has elsewhere is none of its business. Last in its transaction. */
  private async tell(userId: string, ended: readonly EndedSession[], tx: Tx): Promise<void> {
    const idsByTenant = Map.groupBy(ended, ({ tenantId }) => tenantId)
    const make = (tenantId: string) => {
      const ids = idsByTenant.get(tenantId)?.map(({ id }) => id)
      return ids ? new SessionsEnded(tenantId, userId, ids) : []
    }
    await this.events.emitInEachTenant(userId, make, tx)
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
