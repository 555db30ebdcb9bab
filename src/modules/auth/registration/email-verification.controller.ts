import { Body, Controller, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { RecoveryMails } from '../recovery/recovery-mails.service.js'
import {
  ACCEPTED,
  type Accepted,
  acceptedSchema,
  type AddressCommand,
  addressSchema,
  type VerifyEmailCommand,
  verifyEmailSchema,
} from '../recovery/recovery.schemas.js'
import { EmailVerification } from './email-verification.service.js'

@ApiTags('auth')
@Controller('v1/auth/email')
export class EmailVerificationController {
  constructor(
    private readonly mails: RecoveryMails,
    private readonly verification: EmailVerification,
  ) {}

  @Post('verify')
  @Endpoint({
    summary: 'Confirm an e-mail address with the link that was sent to it',
    access: 'public',
    rateLimit: 'password-reset',
    answers: [{ status: 204, description: 'Confirmed: the account can sign in.' }],
    problems: [400],
  })
  async verify(@Body({ schema: verifyEmailSchema }) { token }: VerifyEmailCommand): Promise<void> {
    await this.verification.verify(token)
  }

  @Post('verification')
  @Endpoint({
    summary: 'Have the link to confirm an address sent again',
    description: 'The answer is the same whether or not the address waits for it.',
    access: 'public',
    rateLimit: 'password-reset',
    answers: [{ status: 202, description: 'A mail is on its way if one is needed.', schema: acceptedSchema }],
    problems: [400],
  })
  async resend(@Body({ schema: addressSchema }) { email }: AddressCommand): Promise<Accepted> {
    await this.mails.request({ template: 'email_verification', email })
    return ACCEPTED
  }
}
