import { Controller, Param, Post, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { MemberPasswordReset } from './member-password-reset.service.js'
import {
  type MemberReset,
  memberResetSchema,
  type MemberResetSent,
  memberResetSentSchema,
  RESET_SENT,
} from './recovery.schemas.js'

@ApiTags('members')
@Controller('v1/members')
export class MemberPasswordResetController {
  constructor(private readonly resets: MemberPasswordReset) {}

  @Post(':userId/password-reset')
  @Endpoint({
    summary: 'Have a member set a new password',
    description:
      'Mails him a link; where the server sends no mail the answer has it, to be handed over, and the member must belong to no other team.',
    access: 'members:write',
    idempotent: true,
    answers: [
      { status: 201, description: 'The link, shown once.', schema: memberResetSchema },
      { status: 202, description: 'The link was mailed to the member.', schema: memberResetSentSchema },
    ],
    problems: [404, 409],
  })
  async reset(
    @CurrentPrincipal() principal: Principal,
    @Param('userId') userId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberReset | MemberResetSent> {
    void reply.header('Cache-Control', 'no-store')
    const issued = await this.resets.issue(principal, userId)
    if (issued) return issued
    void reply.status(202)
    return RESET_SENT
  }
}
