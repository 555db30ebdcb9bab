import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import type { Tx } from '#platform/database/tx.js'
import type { Principal } from '#platform/http/principal.js'
import { ApiKeysRepository } from './api-keys.repository.js'

/** Knows which API keys there are, for the modules whose rows belong to one. */
@Injectable()
export class ApiKeyDirectory {
  constructor(private readonly keys: ApiKeysRepository) {}

  /** Expired ones, too. */
  has({ tenantId, id }: { readonly tenantId: string; readonly id: string }, tx: Tx): Promise<boolean> {
    return this.keys.has(tenantId, id, tx)
  }

  /** For what is done in the name of a key, if of any. @throws AppError `unauthenticated` where it is gone */
  async assertThere({ tenantId, apiKeyId }: Pick<Principal, 'tenantId' | 'apiKeyId'>, tx: Tx): Promise<void> {
    if (apiKeyId === null || (await this.keys.has(tenantId, apiKeyId, tx))) return
    throw new AppError('unauthenticated', 'unauthenticated', { detail: 'This API key is not valid.' })
  }
}
