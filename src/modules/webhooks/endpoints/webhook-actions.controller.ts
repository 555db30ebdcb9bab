import { Body, Controller, Header, Param, Post } from '@nestjs/common'
import { ApiBody, ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { WebhookRotation } from './webhook-rotation.service.js'
import { WebhookTests } from './webhook-tests.service.js'
import {
  type RotateSecretCommand,
  rotateSecretSchema,
  type SentTest,
  sentTestSchema,
  type TestWebhookCommand,
  testWebhookSchema,
  type WebhookWithSecret,
  webhookWithSecretSchema,
} from './webhooks.schemas.js'

const OPTIONAL_BODY = { required: false }

@ApiTags('webhooks')
@Controller('v1/webhooks/:id')
export class WebhookActionsController {
  constructor(
    private readonly rotation: WebhookRotation,
    private readonly tests: WebhookTests,
  ) {}

  @Post('rotate-secret')
  @Header('Cache-Control', 'no-store')
  @Endpoint({
    summary: "Replace a webhook's secret",
    description:
      'Deliveries are signed with the new one and, for `WEBHOOK_SECRET_OVERLAP_HOURS` (24), with those before: time to bring it to ' +
      'the receiver. At most 10 sign beside the current one. A secret that has leaked is ended at once by `revokePrevious`.',
    access: 'webhooks:write',
    idempotent: true,
    answers: [
      { status: 200, description: 'The webhook with its new secret; keep it.', schema: webhookWithSecretSchema },
    ],
    problems: [400, 404, 409],
  })
  @ApiBody(OPTIONAL_BODY)
  rotate(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('id') id: string,
    @Body({ schema: rotateSecretSchema }) command: RotateSecretCommand,
  ): Promise<WebhookWithSecret> {
    return this.rotation.rotate(tenantId, id, command)
  }

  @Post('test')
  @Endpoint({
    summary: 'Send a test event to a webhook',
    description:
      'A `webhook.test`, or the example of another type. It is signed, delivered and tried again like what has really happened, ' +
      'whatever the webhook listens to.',
    access: 'webhooks:write',
    idempotent: true,
    answers: [{ status: 202, description: 'It is on its way.', schema: sentTestSchema }],
    problems: [400, 404, 409],
  })
  @ApiBody(OPTIONAL_BODY)
  test(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('id') id: string,
    @Body({ schema: testWebhookSchema }) command: TestWebhookCommand,
  ): Promise<SentTest> {
    return this.tests.send(tenantId, id, command)
  }
}
