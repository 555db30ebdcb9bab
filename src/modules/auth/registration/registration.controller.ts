import { Body, Controller, Post, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import {
  type RegisterCommand,
  registerSchema,
  type TokenPair,
  tokenPairSchema,
  type VerificationSent,
  verificationSentSchema,
} from '../auth.schemas.js'
import { clientInfoOf } from '#platform/http/client-info.js'
import { SessionAnswers } from '../sessions/session-answers.service.js'
import { Registration } from './registration.service.js'

@ApiTags('auth')
@Controller('v1/auth')
export class RegistrationController {
  constructor(
    private readonly registration: Registration,
    private readonly answers: SessionAnswers,
  ) {}

  @Post('register')
  @Endpoint({
    summary: 'Register a user with a tenant of his own',
    access: 'public',
    rateLimit: 'register',
    answers: [
      { status: 201, description: 'Registered and signed in.', schema: tokenPairSchema },
      {
        status: 202,
        description: 'Where addresses must be proved: a mail is on its way, whether or not the address is known.',
        schema: verificationSentSchema,
      },
    ],
    problems: [400, 403, 409],
  })
  async register(
    @Body({ schema: registerSchema }) command: RegisterCommand,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenPair | VerificationSent> {
    const signedIn = await this.registration.register(command, clientInfoOf(request))
    if (signedIn) return this.answers.toTokenPair(signedIn)
    void reply.status(202)
    return { status: 'verification_sent' }
  }
}
