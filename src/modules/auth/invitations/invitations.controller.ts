import { Body, Controller, Delete, Get, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, OptionalPrincipal, type Principal } from '#platform/http/principal.js'
import { type TokenPair, tokenPairSchema } from '../auth.schemas.js'
import { clientInfoOf } from '#platform/http/client-info.js'
import { SessionAnswers } from '../sessions/session-answers.service.js'
import { InvitationAcceptance } from './invitation-acceptance.service.js'
import {
  type AcceptInvitationCommand,
  acceptInvitationSchema,
  type Invitation,
  type InvitationListQuery,
  invitationListQuerySchema,
  invitationPageSchema,
  type InviteCommand,
  inviteSchema,
  type NewInvitation,
  newInvitationSchema,
} from './invitations.schemas.js'
import { Invitations } from './invitations.service.js'

@ApiTags('invitations')
@Controller('v1/invitations')
export class InvitationsController {
  constructor(
    private readonly invitations: Invitations,
    private readonly acceptance: InvitationAcceptance,
    private readonly answers: SessionAnswers,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Invite somebody into this tenant',
    description:
      'Replaces an earlier invitation of the same address. Mailed where the server sends mail; else the answer has the link, once. 409 `already_member`, or `too_many_invitations` are open; 429 when the address was mailed too often in an hour, or the tenant invited too many in a day.',
    access: 'members:write',
    idempotent: true,
    answers: [{ status: 201, description: 'Invited.', schema: newInvitationSchema }],
    problems: [400, 409],
  })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: inviteSchema }) command: InviteCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NewInvitation> {
    void reply.header('Cache-Control', 'no-store')
    return this.invitations.create(principal, command)
  }

  @Get()
  @Endpoint({
    summary: 'List the open invitations, newest first',
    access: 'members:read',
    answers: [{ status: 200, description: 'A page of invitations.', schema: invitationPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: invitationListQuerySchema }) query: InvitationListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Invitation>> {
    const page = await this.invitations.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Take an invitation back',
    access: 'members:write',
    answers: [{ status: 204, description: 'Its link is dead.' }],
    problems: [404],
  })
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.invitations.revoke(principal, id)
  }

  @Post('accept')
  @Endpoint({
    summary: 'Accept an invitation, and sign in to its tenant',
    description:
      'Who has no account gets one with `password` and `name`. Who has one is signed in, or gives its password. An invitation that was used, taken back, replaced, never made or is too old: 404.',
    access: 'optional',
    rateLimit: 'invitation-accept',
    answers: [{ status: 200, description: 'A member, signed in.', schema: tokenPairSchema }],
    problems: [400, 401, 403, 404, 409],
  })
  async accept(
    @OptionalPrincipal() principal: Principal | undefined,
    @Body({ schema: acceptInvitationSchema }) command: AcceptInvitationCommand,
    @Req() request: FastifyRequest,
  ): Promise<TokenPair> {
    return this.answers.toTokenPair(await this.acceptance.accept(command, principal, clientInfoOf(request)))
  }
}
