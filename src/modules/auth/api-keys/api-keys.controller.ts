import { Body, Controller, Delete, Get, Header, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { ApiKeyMinting } from './api-key-minting.service.js'
import {
  addressOf,
  type ApiKey,
  type ApiKeyDetails,
  apiKeyDetailsSchema,
  type ApiKeyListQuery,
  apiKeyListQuerySchema,
  apiKeyPageSchema,
  type CreateApiKeyCommand,
  createApiKeySchema,
  type CreatedApiKey,
  createdApiKeySchema,
} from './api-keys.schemas.js'
import { ApiKeys } from './api-keys.service.js'

@ApiTags('api-keys')
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeys,
    private readonly minting: ApiKeyMinting,
  ) {}

  @Post()
  @Header('Cache-Control', 'no-store')
  @Endpoint({
    summary: 'Make an API key',
    description:
      'The key is in this answer and never again. It acts for you, and does no more than you can. A key that ends makes no ' +
      'key that goes on; a key with a rate limit or a budget of its own makes none.',
    access: 'api-keys:write',
    idempotent: true,
    answers: [{ status: 201, description: 'The key; keep it.', schema: createdApiKeySchema }],
    problems: [400, 409],
  })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createApiKeySchema }) command: CreateApiKeyCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CreatedApiKey> {
    const created = await this.minting.create(principal, command)
    void reply.header('Location', addressOf(created))
    return created
  }

  @Get()
  @Endpoint({
    summary: 'List API keys, newest first',
    description: 'Your own; those of everybody for owners and admins.',
    access: 'api-keys:read',
    answers: [{ status: 200, description: 'A page of keys.', schema: apiKeyPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: apiKeyListQuerySchema }) query: ApiKeyListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<ApiKey>> {
    const page = await this.keys.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get an API key',
    description: 'With what it has spent.',
    access: 'api-keys:read',
    answers: [{ status: 200, description: 'The key, without itself.', schema: apiKeyDetailsSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ApiKeyDetails> {
    return this.keys.get(principal, id)
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete an API key',
    description: 'The next request with it is refused, on every replica.',
    access: 'api-keys:write',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404],
  })
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.keys.delete(principal, id)
  }
}
