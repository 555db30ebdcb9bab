import { Injectable } from '@nestjs/common'
import { PassportStrategy } from '@nestjs/passport'
import type { FastifyRequest } from 'fastify'
import { ExtractJwt, Strategy } from 'passport-jwt'
import { AppConfig } from '#platform/config/app-config.js'
import type { Principal } from '#platform/http/principal.js'
import { permissionsOf } from '../permissions.js'
import { ACCESS_TOKEN_RULES, accessClaimsSchema } from './access-tokens.js'
import { VerifiedTokens } from './verified-tokens.js'

const readToken = ExtractJwt.fromAuthHeaderAsBearerToken() as unknown as (request: FastifyRequest) => string | null

/** Turns a bearer token into a principal. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    config: AppConfig,
    private readonly verified: VerifiedTokens,
  ) {
    const { algorithm, issuer, audience } = ACCESS_TOKEN_RULES
    super({
      jwtFromRequest: readToken,
      // The types do not know key objects; jsonwebtoken does, and parses a text anew for each token.
      secretOrKey: config.jwtKey as unknown as string,
      algorithms: [algorithm],
      issuer,
      audience,
      passReqToCallback: true,
    })
  }

  /** Called once the signature, expiry, issuer and audience hold. */
  validate(request: FastifyRequest, payload: unknown): Principal | false {
    const claims = accessClaimsSchema.safeParse(payload)
    if (!claims.success) return false
    const { sub, tid, sid, role, exp } = claims.data
    const principal: Principal = {
      userId: sub,
      tenantId: tid,
      sessionId: sid,
      apiKeyId: null,
      role,
      permissions: permissionsOf(role),
      rateLimitPerMinute: null,
    }
    const token = readToken(request)
    if (token) this.verified.add(token, principal, exp)
    return principal
  }
}
