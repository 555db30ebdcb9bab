import { Injectable } from '@nestjs/common'
import { PassportStrategy } from '@nestjs/passport'
import { ExtractJwt, Strategy } from 'passport-jwt'
import { AppConfig } from '#platform/config/app-config.js'
import type { Principal } from '#platform/http/principal.js'
import { permissionsOf } from '../permissions.js'
import { ACCESS_TOKEN_RULES, accessClaimsSchema } from './access-tokens.js'

/** Turns a bearer token into a principal. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(config: AppConfig) {
    const { algorithm, issuer, audience } = ACCESS_TOKEN_RULES
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      // The types do not know key objects; jsonwebtoken does, and parses a text anew for each token.
      secretOrKey: config.jwtKey as unknown as string,
      algorithms: [algorithm],
      issuer,
      audience,
    })
  }

  /** Called once the signature, expiry, issuer and audience hold. */
  validate(payload: unknown): Principal | false {
    const claims = accessClaimsSchema.safeParse(payload)
    if (!claims.success) return false
    const { sub, tid, sid, role } = claims.data
    return { userId: sub, tenantId: tid, sessionId: sid, role, permissions: permissionsOf(role) }
  }
}
