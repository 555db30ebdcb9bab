import { Body, Controller, Get, Patch, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type ChangePasswordCommand,
  changePasswordSchema,
  type Me,
  meSchema,
  type UpdateMeCommand,
  updateMeSchema,
} from '../auth.schemas.js'
import { PasswordChange } from '../passwords/password-change.service.js'
import { AccountService } from './account.service.js'

@ApiTags('auth')
@Controller('v1/auth')
export class AccountController {
  constructor(
    private readonly account: AccountService,
    private readonly passwords: PasswordChange,
  ) {}

  @Get('me')
  @Endpoint({
    summary: 'Who am I',
    access: 'authenticated',
    answers: [{ status: 200, description: 'The user, the tenant, the role and its permissions.', schema: meSchema }],
  })
  getMe(@CurrentPrincipal() principal: Principal): Promise<Me> {
    return this.account.getMe(principal)
  }

  @Patch('me')
  @Endpoint({
    summary: 'Change my name',
    access: 'session',
    answers: [{ status: 200, description: 'As it is now.', schema: meSchema }],
    problems: [400],
  })
  updateMe(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: updateMeSchema }) command: UpdateMeCommand,
  ): Promise<Me> {
    return this.account.update(principal, command)
  }

  @Post('password')
  @Endpoint({
    summary: 'Change my password',
    description: 'Ends every other session.',
    access: 'session',
    rateLimit: 'login',
    answers: [{ status: 204, description: 'Changed.' }],
    problems: [400],
  })
  async changePassword(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: changePasswordSchema }) command: ChangePasswordCommand,
  ): Promise<void> {
    await this.passwords.change(principal, command)
  }
}
