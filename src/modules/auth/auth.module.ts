import { Module } from '@nestjs/common'
import { APP_GUARD } from '@nestjs/core'
import { JwtModule } from '@nestjs/jwt'
import { PassportModule } from '@nestjs/passport'
import { RateLimitGuard } from '#platform/http/rate-limits/rate-limit.guard.js'
import { AccessGuard } from './access.guard.js'
import { AccountsRepository } from './accounts/accounts.repository.js'
import { AuthController } from './auth.controller.js'
import { AuthService } from './auth.service.js'
import { AuthenticationGuard } from './authentication.guard.js'
import { PasswordHasher } from './passwords/password-hasher.js'
import { AccessTokens } from './sessions/access-tokens.js'
import { JwtStrategy } from './sessions/jwt.strategy.js'
import { SessionIssuer } from './sessions/session-issuer.service.js'
import { SessionsRepository } from './sessions/sessions.repository.js'
import { VerifiedTokens } from './sessions/verified-tokens.js'

@Module({
  imports: [PassportModule.register({ session: false }), JwtModule.register({})],
  controllers: [AuthController],
  providers: [
    AuthService,
    SessionIssuer,
    AccountsRepository,
    SessionsRepository,
    PasswordHasher,
    AccessTokens,
    JwtStrategy,
    VerifiedTokens,
    // In this order: who asks, whether too often, whether he may.
    { provide: APP_GUARD, useClass: AuthenticationGuard },
    { provide: APP_GUARD, useExisting: RateLimitGuard },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
})
export class AuthModule {}
