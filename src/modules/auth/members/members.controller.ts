import { Body, Controller, Delete, Get, Param, Patch, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { CacheAnswer } from '#platform/http/response-cache/cache-answer.js'
import {
  type Member,
  type MemberListQuery,
  memberListQuerySchema,
  memberPageSchema,
  MEMBERS_TAG,
  memberSchema,
  type UpdateMemberCommand,
  updateMemberSchema,
} from './members.schemas.js'
import { Members } from './members.service.js'

@ApiTags('members')
@Controller('v1/members')
export class MembersController {
  constructor(private readonly members: Members) {}

  @Get()
  @CacheAnswer({ kind: 'directory', tags: [MEMBERS_TAG], sharedBy: 'permissions' })
  @Endpoint({
    summary: 'List the members of this tenant, the newest account first',
    access: 'members:read',
    answers: [{ status: 200, description: 'A page of members.', schema: memberPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: memberListQuerySchema }) query: MemberListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Member>> {
    const page = await this.members.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Patch(':userId')
  @Endpoint({
    summary: "Change a member's role, or suspend him",
    description:
      'Holds from the next request on, on every replica. Nobody gives or takes a role above his own, or suspends himself; 409 `last_owner` when the tenant would be left without an owner.',
    access: 'members:write',
    answers: [{ status: 200, description: 'As he is now.', schema: memberSchema }],
    problems: [400, 404, 409],
  })
  update(
    @CurrentPrincipal() principal: Principal,
    @Param('userId') userId: string,
    @Body({ schema: updateMemberSchema }) command: UpdateMemberCommand,
  ): Promise<Member> {
    return this.members.update(principal, userId, command)
  }

  @Delete(':userId')
  @Endpoint({
    summary: 'Remove a member, or leave',
    description:
      'Removing somebody else needs the permission members:write; to leave, being signed in is enough. Sessions and API keys in this tenant go with the membership; 409 `last_owner` as above.',
    access: 'authenticated',
    answers: [{ status: 204, description: 'He is no member any more.' }],
    problems: [404, 409],
  })
  async remove(@CurrentPrincipal() principal: Principal, @Param('userId') userId: string): Promise<void> {
    await this.members.remove(principal, userId)
  }
}
