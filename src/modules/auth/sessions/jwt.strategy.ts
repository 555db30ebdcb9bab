import { Injectable } from '@nestjs/common'
import { PassportStrategy } from '@nestjs/passport'
import type { FastifyRequest } from 'fastify'
import { type SecretOrKeyProvider, Strategy } from 'passport-jwt'
import { presentedCredential } from '../access/presented-credential.js'
import { ACCESS_TOKEN_RULES, type AccessClaims, accessClaimsSchema, accessHeaderSchema } from './access-tokens.js'
import { JwtKeys } from './jwt-keys.service.js'

/** Checks an access token, from the `Authorization` header or the cookie, and gives what it says. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(keys: JwtKeys) {
    const { algorithm, issuer, audience } = ACCESS_TOKEN_RULES
    super({
      jwtFromRequest: readToken as never,
      secretOrKeyProvider: provideKey(keys),
      algorithms: [algorithm],
      issuer,
      audience,
    })
  }

  /** Called once the signature, expiry, issuer and audience hold. */
  validate(payload: unknown): AccessClaims | false {
    return accessClaimsSchema.safeParse(payload).data ?? false
  }
}

function readToken(request: FastifyRequest): string | null {
  const credential = presentedCredential(request)
  return credential?.kind === 'access_token' ? credential.text : null
}

/** Picks the key that the header names, once nothing in the header is foreign. */
function provideKey(keys: JwtKeys): SecretOrKeyProvider {
  return (_request, token: string, done) => {
    const header = accessHeaderSchema.safeParse(readHeader(token))
    const key = header.success ? keys.find(header.data.kid) : undefined
    if (key) done(null, key as unknown as string)
    else done(new Error('the token names no key of ours'))
  }
}

function readHeader(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString('utf8'))
  } catch {
    return null
  }
}
