import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import type { Principal } from '#platform/http/principal.js'
import type { GuardedRequest } from './authentication.guard.js'
import { isAllowed } from './authorization.guard.js'
import { Principals } from './principals.service.js'

const MS_PER_SECOND = 1000

/** For answers that go on for longer than a credential may stand, such as event streams. */
@Injectable()
export class PrincipalCheck {
  constructor(
    private readonly principals: Principals,
    private readonly clock: Clock,
  ) {}

  /**
   * Whether the request would still pass the guards: its credential has not expired and was not revoked, and whoever is
   * behind it may still do what the route takes.
   * @throws AppError `unavailable` when nobody can look just now
   */
  async isStillValid(request: GuardedRequest): Promise<boolean> {
    try {
      const principal = await this.resolve(request)
      return principal !== null && isAllowed(principal, request.routeOptions.config.access)
    } catch (error) {
      if (error instanceof AppError && error.kind === 'unauthenticated') return false
      throw error
    }
  }

  private async resolve({ credential, user: claims }: GuardedRequest): Promise<Principal | null> {
    if (credential?.kind === 'api_key') return this.principals.ofApiKey(credential.text)
    if (claims === undefined || claims.exp * MS_PER_SECOND <= this.clock.now().getTime()) return null
    return this.principals.ofSession(claims)
  }
}
