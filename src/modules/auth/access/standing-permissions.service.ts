import { Injectable } from '@nestjs/common'
import type { Permission, Principal } from '#platform/http/principal.js'
import { permissionsOf } from '../permissions.js'
import { StandingsRepository } from './standings.repository.js'

type Requester = Pick<Principal, 'tenantId' | 'userId' | 'apiKeyId'>

const NONE: ReadonlySet<Permission> = new Set()

/** What somebody may do now who is not there to ask: for work that goes on in his name. */
@Injectable()
export class StandingPermissions {
  constructor(private readonly standings: StandingsRepository) {}

  /**
   * Those that requests of theirs would have at this moment, in their order; none once the member is gone or suspended, or the key
   * deleted or expired.
   * @param until a moment to come by which the key must not have expired either
   */
  async of(requesters: readonly Requester[], until: Date | null = null): Promise<ReadonlySet<Permission>[]> {
    if (requesters.length === 0) return []
    const standings = await this.standings.findStandings(requesters, until)
    return standings.map((standing) => {
      if (!standing) return NONE
      const permissions = permissionsOf(standing.role)
      return standing.scopes ? permissions.intersection(new Set(standing.scopes)) : permissions
    })
  }
}
