import { Body, Controller, Post, Query, Req, Res } from '@nestjs/common'
import { ApiBody, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Endpoint } from '#platform/http/endpoint.js'
import {
  type BrowserSession,
  browserSessionSchema,
  type LoginCommand,
  type LoginQuery,
  loginQuerySchema,
  loginSchema,
  type RefreshCommand,
  refreshSchema,
  type TokenPair,
  tokenPairSchema,
} from '../auth.schemas.js'
import { clientInfoOf } from '#platform/http/client-info.js'
import { CsrfProtection } from './csrf-protection.service.js'
import { Refresh } from './refresh.service.js'
import { SessionAnswers } from './session-answers.service.js'
import { SignIn } from './sign-in.service.js'

const signedInSchema = z.union([tokenPairSchema, browserSessionSchema])

@ApiTags('auth')
@Controller('v1/auth')
export class SignInController {
  constructor(
    private readonly signIn: SignIn,
    private readonly refreshes: Refresh,
    private readonly answers: SessionAnswers,
    private readonly csrf: CsrfProtection,
  ) {}

  @Post('login')
  @Endpoint({
    summary: 'Sign in',
    access: 'public',
    rateLimit: 'login',
    answers: [{ status: 200, description: 'Signed in; with `cookie=true` a browser session.', schema: signedInSchema }],
    problems: [400, 401, 403],
  })
  async login(
    @Body({ schema: loginSchema }) command: LoginCommand,
    @Query({ schema: loginQuerySchema }) { cookie }: LoginQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenPair | BrowserSession> {
    if (cookie === 'true') this.csrf.assertSameOrigin(request)
    const signedIn = await this.signIn.login(command, clientInfoOf(request))
    return cookie === 'true' ? this.answers.setCookies(reply, signedIn) : this.answers.toTokenPair(signedIn)
  }

  @Post('refresh')
  @Endpoint({
    summary: 'Trade a refresh token for a new pair',
    description:
      'A refresh token works once. One that is used again ends its session, but for ten seconds in which it gives the same pair again.',
    access: 'public',
    rateLimit: 'refresh',
    answers: [{ status: 200, description: 'The new pair; cookies for a browser session.', schema: signedInSchema }],
    problems: [400, 401, 403],
  })
  @ApiBody({ required: false })
  async refresh(
    @Body({ schema: refreshSchema }) command: RefreshCommand,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenPair | BrowserSession> {
    if (command?.refreshToken !== undefined) {
      return this.answers.toTokenPair(await this.refreshes.refresh(command.refreshToken, clientInfoOf(request)))
    }
    const token = this.answers.readRefreshCookie(request)
    return this.answers.setCookies(reply, await this.refreshes.refresh(token, clientInfoOf(request)))
  }
}
