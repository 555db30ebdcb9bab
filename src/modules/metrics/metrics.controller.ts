import { Controller, Get, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { PrometheusController } from '@willsoto/nestjs-prometheus'
import type { FastifyReply } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'

@ApiTags('metrics')
@Controller()
export class MetricsController extends PrometheusController {
  @Get()
  @Endpoint({
    summary: 'Metrics in the text format of Prometheus',
    access: 'public',
    rateLimit: 'none',
    answers: [{ status: 200, description: 'The metrics of this replica.', mediaType: 'text/plain' }],
  })
  override async index(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    return super.index(reply)
  }
}
