import { Injectable } from '@nestjs/common'
import { JwtService } from '@nestjs/jwt'
import { z } from 'zod'
import { AppConfig } from '#platform/config/app-config.js'
import { JwtKeys } from './jwt-keys.service.js'

/** Pinned: a token that names another algorithm, type, issuer or audience is not ours. */
export const ACCESS_TOKEN_RULES = {
  algorithm: 'HS256',
  /** RFC 9068 §2.1: no other JWT can pass for an access token. */
  type: 'at+jwt',
  issuer: 'temponest',
  audience: 'temponest-api',
} as const

/** Nothing else may stand in the header: `crit`, `jku`, `jwk` and `x5u` ask for things that we do not do. */
export const accessHeaderSchema = z.strictObject({
  alg: z.literal(ACCESS_TOKEN_RULES.algorithm),
  typ: z.literal(ACCESS_TOKEN_RULES.type),
  kid: z.string(),
})

/** What an access token says (RFC 7519): user, tenant, session. The role is not in it: that can change within its life. */
export const accessClaimsSchema = z.object({
  sub: z.uuid(),
  tid: z.uuid(),
  sid: z.uuid(),
  iat: z.int(),
  exp: z.int(),
})
export type AccessClaims = z.infer<typeof accessClaimsSchema>

/** Signs access tokens. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly keys: JwtKeys,
    private readonly config: AppConfig,
  ) {}

  get lifetimeSeconds(): number {
    return this.config.settings.ACCESS_TOKEN_TTL_SECONDS
  }

  sign(claims: Pick<AccessClaims, 'sub' | 'tid' | 'sid'>): Promise<string> {
    const { algorithm, type, issuer, audience } = ACCESS_TOKEN_RULES
    const { id, key } = this.keys.current
    return this.jwt.signAsync(claims, {
      // The types do not know key objects; jsonwebtoken does.
      secret: key as unknown as string,
      algorithm,
      header: { alg: algorithm, typ: type },
      keyid: id,
      issuer,
      audience,
      expiresIn: this.lifetimeSeconds,
    })
  }
}
