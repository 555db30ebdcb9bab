import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { noSuchWebhook } from '../webhooks.errors.js'
import { toReplay } from './replay-view.js'
import { toReplayWindow } from './replay-window.js'
import { ReplaysRepository } from './replays.repository.js'
import type { ReplayListQuery, ReplayWebhookCommand, WebhookReplay } from './replays.schemas.js'

/** Shows replays. */
@Injectable()
export class ReplayQueries {
  constructor(
    private readonly database: Database,
    private readonly replays: ReplaysRepository,
    private readonly clock: Clock,
  ) {}

  /** Newest first. @throws AppError `not_found`, the same for a deleted webhook and for another tenant's */
  async list(
    { tenantId }: Principal,
    webhookId: string,
    { limit, cursor }: ReplayListQuery,
  ): Promise<Page<WebhookReplay>> {
    if (!isUuid(webhookId)) throw noSuchWebhook()
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const key = { tenantId, webhookId }
    const rows = await this.database.flight({ tenantId }, async (tx) => {
      const [webhook, found] = await Promise.all([
        this.replays.findWebhook(key, tx),
        this.replays.list(key, { after, limit: limit + 1 }, tx),
      ])
      return webhook && found
    })
    if (!rows) throw noSuchWebhook()
    return toPage(rows.map(toReplay), limit, ({ id }) => id)
  }

  /** @throws AppError `not_found`, the same for another tenant's */
  async get({ tenantId }: Principal, webhookId: string, id: string): Promise<WebhookReplay> {
    const row = isUuid(webhookId) && isUuid(id) ? await this.replays.read({ tenantId, webhookId }, id) : null
    if (!row) throw new AppError('not_found', 'not_found', { detail: 'There is no such replay.' })
    return toReplay(row)
  }

  /**
   * How many messages a replay would send again now.
   * @throws AppError `validation_failed` for the window, `not_found`
   */
  async count({ tenantId }: Principal, webhookId: string, command: ReplayWebhookCommand): Promise<number> {
    const window = toReplayWindow(command, this.clock.now())
    if (!isUuid(webhookId)) throw noSuchWebhook()
    const key = { tenantId, webhookId }
    const count = await this.database.flight({ tenantId }, async (tx) => {
      const [webhook, messages] = await Promise.all([
        this.replays.findWebhook(key, tx),
        this.replays.count(key, window, tx),
      ])
      return webhook && messages
    })
    if (count === null) throw noSuchWebhook()
    return count
  }
}
