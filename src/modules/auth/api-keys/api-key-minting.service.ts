import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal, Role } from '#platform/http/principal.js'
import { mintApiKey } from './api-key.js'
import type { ApiKeyRecord } from './api-key.entity.js'
import { ApiKeyCreated } from './api-key.events.js'
import { grantOf } from './api-key-grant.js'
import { toApiKey } from './api-key-view.js'
import { ApiKeysRepository } from './api-keys.repository.js'
import { addressOf, type CreateApiKeyCommand, type CreatedApiKey } from './api-keys.schemas.js'

/** Expired ones count until they are deleted. */
const MAX_KEYS_PER_MEMBER = 100
const CREATED = 201

/** Makes API keys. The key itself is in the answer and nowhere else. */
@Injectable()
export class ApiKeyMinting {
  constructor(
    private readonly database: Database,
    private readonly keys: ApiKeysRepository,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /** @throws AppError `validation_failed`, `forbidden` for what the maker does not have, `api_key_limit_reached` */
  async create(principal: Principal, command: CreateApiKeyCommand): Promise<CreatedApiKey> {
    const { tenantId, userId } = principal
    const { text, hash, prefix } = mintApiKey()
    return this.database.transaction({ tenantId }, async (tx) => {
      await this.assertRoom(principal, tx)
      const now = this.clock.now()
      const maker = {
        principal,
        key: await this.findMaker(principal, tx),
        maxRatePerMinute: this.maxRateOf(principal.role),
      }
      const grant = grantOf(command, maker, now)
      const key: ApiKeyRecord = {
        ...grant,
        tenantId,
        id: newId(),
        userId,
        name: command.name,
        prefix,
        createdAt: now,
        lastUsedAt: null,
        madeByKeyId: principal.apiKeyId,
      }
      await this.keys.add({ ...key, keyHash: hash }, tx)
      await this.events.emit(new ApiKeyCreated(key), tx)
      const created = { ...toApiKey(key), key: text }
      await this.idempotency.complete({ status: CREATED, body: created, location: addressOf(key) }, tx)
      return created
    })
  }

  private async assertRoom(principal: Principal, tx: Tx): Promise<void> {
    const count = await this.keys.countForAdding(principal, tx)
    if (count === null) throw gone('You are no member any more.')
    if (count < MAX_KEYS_PER_MEMBER) return
    throw new AppError('api_key_limit_reached', 'conflict', {
      detail: `A member has at most ${MAX_KEYS_PER_MEMBER} API keys: delete one that is not used.`,
    })
  }

  private async findMaker({ tenantId, userId, apiKeyId }: Principal, tx: Tx): Promise<ApiKeyRecord | null> {
    if (apiKeyId === null) return null
    const maker = await this.keys.find(apiKeyId, { tenantId, userId }, tx)
    if (!maker) throw gone('This API key is not valid.')
    return maker
  }

  private maxRateOf(role: Role): number {
    const { RATE_LIMIT_ADMIN_PER_MINUTE, RATE_LIMIT_AUTHENTICATED_PER_MINUTE } = this.config.settings
    const isAdmin = role === 'owner' || role === 'admin'
    return isAdmin ? RATE_LIMIT_ADMIN_PER_MINUTE : RATE_LIMIT_AUTHENTICATED_PER_MINUTE
  }
}

/** Between the guard and here. */
function gone(detail: string): AppError {
  return new AppError('unauthenticated', 'unauthenticated', { detail })
}
