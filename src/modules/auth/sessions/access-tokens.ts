import { Injectable } from '@nestjs/common'
import { JwtService } from '@nestjs/jwt'
import { z } from 'zod'
import { AppConfig } from '#platform/config/app-config.js'
import { ROLES } from '#platform/http/principal.js'

/** Pinned: a token that names another algorithm, issuer or audience is not ours. */
export const ACCESS_TOKEN_RULES = { algorithm: 'HS256', issuer: 'temponest', audience: 'temponest-api' } as const

/** What an access token says (RFC 7519): user, tenant, session, role. */
export const accessClaimsSchema = z.object({
  sub: z.uuid(),
  tid: z.uuid(),
  sid: z.uuid(),
  role: z.enum(ROLES),
  exp: z.int(),
})
export type AccessClaims = z.infer<typeof accessClaimsSchema>

/** Signs access tokens. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly config: AppConfig,
  ) {}

  get lifetimeSeconds(): number {
    return this.config.settings.ACCESS_TOKEN_TTL_SECONDS
  }

  sign(claims: Omit<AccessClaims, 'exp'>): Promise<string> {
    const { algorithm, issuer, audience } = ACCESS_TOKEN_RULES
    return this.jwt.signAsync(claims, {
      secret: this.config.jwtKey as unknown as string,
      algorithm,
      issuer,
      audience,
      expiresIn: this.lifetimeSeconds,
    })
  }
}
