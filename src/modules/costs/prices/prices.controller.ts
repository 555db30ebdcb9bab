import { Body, Controller, Get, Put, Query, Req, Res } from '@nestjs/common'
import { ApiExcludeEndpoint, ApiParam, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { PriceList } from './price-list.service.js'
import { PriceSetting } from './price-setting.service.js'
import {
  type ModelPrice,
  modelPricePageSchema,
  type ModelPrices,
  modelPriceSchema,
  modelPricesSchema,
  type PriceListQuery,
  priceListQuerySchema,
  type SetPriceCommand,
  setPriceSchema,
} from './prices.schemas.js'

const PROVIDER = { name: 'provider', schema: { type: 'string' as const }, description: 'Such as `openai`.' }
const MODEL = { name: 'model', schema: { type: 'string' as const }, description: 'May hold slashes, escaped or not.' }

@ApiTags('costs')
@Controller('v1/costs/prices')
export class PricesController {
  constructor(
    private readonly prices: PriceList,
    private readonly setting: PriceSetting,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List what models cost, by name',
    description: 'Every model that has a price for you, as it holds now.',
    access: 'costs:read',
    answers: [{ status: 200, description: 'A page of prices.', schema: modelPricePageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: priceListQuerySchema }) query: PriceListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<ModelPrice>> {
    const page = await this.prices.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':provider/:model')
  @ApiParam(MODEL)
  @ApiParam(PROVIDER)
  @Endpoint({
    summary: 'Get what a model costs',
    access: 'costs:read',
    answers: [{ status: 200, description: 'What holds, and your own versions.', schema: modelPricesSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Req() request: FastifyRequest): Promise<ModelPrices> {
    return this.prices.get(principal, ...modelIn(request))
  }

  @Put(':provider/:model')
  @ApiParam(MODEL)
  @ApiParam(PROVIDER)
  @Endpoint({
    summary: 'Set what a model costs',
    description:
      'From `effectiveFrom` on, until the next version. What was booked before keeps its price. The model need not be served yet.',
    access: 'costs:configure',
    answers: [{ status: 200, description: 'The price as it holds from then on.', schema: modelPriceSchema }],
    problems: [400, 409],
  })
  set(
    @CurrentPrincipal() principal: Principal,
    @Req() request: FastifyRequest,
    @Body({ schema: setPriceSchema }) command: SetPriceCommand,
  ): Promise<ModelPrice> {
    return this.setting.set(principal, ...modelIn(request), command)
  }

  /** The same, of a model whose name has slashes that are not escaped. */
  @Get(':provider/*')
  @ApiExcludeEndpoint()
  @Endpoint({
    summary: 'Get what a model costs',
    access: 'costs:read',
    answers: [{ status: 200, description: 'What holds, and your own versions.' }],
  })
  getOfPath(@CurrentPrincipal() principal: Principal, @Req() request: FastifyRequest): Promise<ModelPrices> {
    return this.get(principal, request)
  }

  /** The same, of a model whose name has slashes that are not escaped. */
  @Put(':provider/*')
  @ApiExcludeEndpoint()
  @Endpoint({
    summary: 'Set what a model costs',
    access: 'costs:configure',
    answers: [{ status: 200, description: 'The price as it holds from then on.' }],
  })
  setOfPath(
    @CurrentPrincipal() principal: Principal,
    @Req() request: FastifyRequest,
    @Body({ schema: setPriceSchema }) command: SetPriceCommand,
  ): Promise<ModelPrice> {
    return this.set(principal, request, command)
  }
}

/** Provider and model that the path names. */
function modelIn({ params }: FastifyRequest): [provider: string, model: string] {
  const { provider = '', model, '*': rest = '' } = params as { provider?: string; model?: string; '*'?: string }
  return [provider, model ?? rest]
}
