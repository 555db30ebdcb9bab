import { Body, Controller, Get, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type LoginCommand,
  loginSchema,
  type Me,
  meSchema,
  type RefreshCommand,
  refreshSchema,
  type RegisterCommand,
  registerSchema,
  type TokenPair,
  tokenPairSchema,
} from './auth.schemas.js'
import { AuthService } from './auth.service.js'

@ApiTags('auth')
@Controller('v1/auth')
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('register')
  @Endpoint({
    summary: 'Register a user with a tenant of his own',
    access: 'public',
    rateLimit: 'register',
    answers: [{ status: 201, description: 'Registered and signed in.', schema: tokenPairSchema }],
    problems: [400, 409],
  })
  register(@Body({ schema: registerSchema }) command: RegisterCommand): Promise<TokenPair> {
    return this.auth.register(command)
  }

  @Post('login')
  @Endpoint({
    summary: 'Sign in',
    access: 'public',
    rateLimit: 'login',
    answers: [{ status: 200, description: 'Signed in.', schema: tokenPairSchema }],
    problems: [400, 401],
  })
  login(@Body({ schema: loginSchema }) command: LoginCommand): Promise<TokenPair> {
    return this.auth.login(command)
  }

  @Post('refresh')
  @Endpoint({
    summary: 'Trade a refresh token for a new pair',
    description: 'A refresh token works once. One that is used again ends its session.',
    access: 'public',
    rateLimit: 'refresh',
    answers: [{ status: 200, description: 'The new pair.', schema: tokenPairSchema }],
    problems: [400, 401],
  })
  refresh(@Body({ schema: refreshSchema }) { refreshToken }: RefreshCommand): Promise<TokenPair> {
    return this.auth.refresh(refreshToken)
  }

  @Get('me')
  @Endpoint({
    summary: 'Who am I',
    access: 'authenticated',
    answers: [{ status: 200, description: 'The user, the tenant, the role and its permissions.', schema: meSchema }],
  })
  getMe(@CurrentPrincipal() principal: Principal): Promise<Me> {
    return this.auth.getMe(principal)
  }
}
