import { Body, Controller, Delete, Get, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, OptionalPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type LogoutCommand,
  logoutSchema,
  type Session,
  type SessionListQuery,
  sessionListQuerySchema,
  sessionPageSchema,
} from '../auth.schemas.js'
import { SessionAnswers } from './session-answers.service.js'
import { nothingToEnd, SignOut } from './sign-out.service.js'
import { Sessions } from './sessions.service.js'

@ApiTags('auth')
@Controller('v1/auth')
export class SessionsController {
  constructor(
    private readonly sessions: Sessions,
    private readonly answers: SessionAnswers,
    private readonly signOut: SignOut,
  ) {}

  @Post('logout')
  @Endpoint({
    summary: 'Sign out',
    description:
      'The access token is dead at once, on every replica. Once it has expired, the refresh token signs out: in the body, or the cookie with the CSRF token.',
    access: 'lenient',
    answers: [{ status: 204, description: 'Signed out.' }],
    problems: [401, 403],
  })
  async logout(
    @OptionalPrincipal() principal: Principal | undefined,
    @Body({ schema: logoutSchema }) command: LogoutCommand,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const isOver = await this.signOut.end(request, { principal, refreshToken: command?.refreshToken })
    this.answers.clearCookies(request, reply)
    if (!isOver) throw nothingToEnd()
  }

  @Post('logout-all')
  @Endpoint({
    summary: 'Sign out everywhere',
    access: 'session',
    answers: [{ status: 204, description: 'Every session of this user is over.' }],
  })
  async logoutAll(
    @CurrentPrincipal() principal: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.sessions.endAll(principal)
    this.answers.clearCookies(request, reply)
  }

  @Get('sessions')
  @Endpoint({
    summary: 'List my sessions, newest first',
    description: 'In all of my tenants.',
    access: 'session',
    answers: [{ status: 200, description: 'A page of sessions.', schema: sessionPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: sessionListQuerySchema }) query: SessionListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Session>> {
    const page = await this.sessions.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Delete('sessions/:id')
  @Endpoint({
    summary: 'End one of my sessions',
    access: 'session',
    answers: [{ status: 204, description: 'It is over.' }],
    problems: [404],
  })
  async end(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.sessions.end(principal, id)
  }
}
