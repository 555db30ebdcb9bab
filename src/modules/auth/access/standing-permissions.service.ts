import { Injectable } from '@nestjs/common'
import type { Permission, Principal } from '#platform/http/principal.js'
import { permissionsOf } from '../permissions.js'
import { StandingsRepository } from './standings.repository.js'

const NONE: ReadonlySet<Permission> = new Set()

/** What somebody may do now who is not there to ask: for work that goes on in his name. */
@Injectable()
export class StandingPermissions {
  constructor(private readonly standings: StandingsRepository) {}

  /** Those that a request of his would have at this moment; none once the member is gone or suspended, or the key deleted or expired. */
  async of(requester: Pick<Principal, 'tenantId' | 'userId' | 'apiKeyId'>): Promise<ReadonlySet<Permission>> {
    const standing = await this.standings.findStanding(requester)
    if (!standing) return NONE
    const permissions = permissionsOf(standing.role)
    return standing.scopes ? permissions.intersection(new Set(standing.scopes)) : permissions
  }
}
