import { Body, Controller, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { PasswordReset } from './password-reset.service.js'
import { RecoveryMails } from './recovery-mails.service.js'
import {
  ACCEPTED,
  type Accepted,
  acceptedSchema,
  type AddressCommand,
  addressSchema,
  type ResetPasswordCommand,
  resetPasswordSchema,
} from './recovery.schemas.js'

@ApiTags('auth')
@Controller('v1/auth/password')
export class RecoveryController {
  constructor(
    private readonly mails: RecoveryMails,
    private readonly resets: PasswordReset,
  ) {}

  @Post('forgot')
  @Endpoint({
    summary: 'Have a link to a new password mailed',
    description: 'The answer is the same whether or not anyone has the address. A new link replaces the one before.',
    access: 'public',
    rateLimit: 'password-reset',
    answers: [{ status: 202, description: 'A mail is on its way if there is an account.', schema: acceptedSchema }],
    problems: [400],
  })
  async forgot(@Body({ schema: addressSchema }) { email }: AddressCommand): Promise<Accepted> {
    await this.mails.request({ template: 'password_reset', email })
    return ACCEPTED
  }

  @Post('reset')
  @Endpoint({
    summary: 'Set a new password with a link',
    description: 'Ends every session, and the wait after failed sign-ins. A link works once.',
    access: 'public',
    rateLimit: 'password-reset',
    answers: [{ status: 204, description: 'The new password holds.' }],
    problems: [400],
  })
  async reset(@Body({ schema: resetPasswordSchema }) command: ResetPasswordCommand): Promise<void> {
    await this.resets.reset(command)
  }
}
