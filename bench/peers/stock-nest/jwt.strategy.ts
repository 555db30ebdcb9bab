import { Injectable } from '@nestjs/common'
import { PassportStrategy } from '@nestjs/passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

export const JWT_SECRET = 'a secret of the bench, of 32 bytes or more'

export interface Principal {
  userId: string
  tenantId: string
  role: string
}

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: JWT_SECRET })
  }

  validate(payload: { sub: string; tenantId: string; role: string }): Principal {
    return { userId: payload.sub, tenantId: payload.tenantId, role: payload.role }
  }
}
