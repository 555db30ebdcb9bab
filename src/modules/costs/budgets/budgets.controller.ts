import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { BudgetChanges } from './budget-changes.service.js'
import {
  addressOf,
  type Budget,
  type BudgetListQuery,
  budgetListQuerySchema,
  budgetPageSchema,
  budgetSchema,
  type ChangeBudgetCommand,
  changeBudgetSchema,
  type CreateBudgetCommand,
  createBudgetSchema,
} from './budgets.schemas.js'
import { Budgets } from './budgets.service.js'

@ApiTags('costs')
@Controller('v1/costs/budgets')
export class BudgetsController {
  constructor(
    private readonly budgets: Budgets,
    private readonly changes: BudgetChanges,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Add a budget',
    description:
      'Counts what the tenant, a project, an agent or an API key spends, from the beginning of the current period on. A `hard` one refuses what it has no room for before it is spent.',
    access: 'costs:configure',
    idempotent: true,
    answers: [{ status: 201, description: 'The budget, and where it stands.', schema: budgetSchema }],
    problems: [400, 409],
  })
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createBudgetSchema }) command: CreateBudgetCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Budget> {
    const created = await this.budgets.get(principal, await this.changes.create(principal.tenantId, command))
    void reply.header('Location', addressOf(created))
    return created
  }

  @Get()
  @Endpoint({
    summary: 'List budgets, newest first',
    description: 'Those that came with API keys, too.',
    access: 'costs:read',
    answers: [{ status: 200, description: 'A page of budgets.', schema: budgetPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: budgetListQuerySchema }) query: BudgetListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<Budget>> {
    const page = await this.budgets.list(principal, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get a budget',
    access: 'costs:read',
    answers: [{ status: 200, description: 'The budget, and where it stands now.', schema: budgetSchema }],
    problems: [404],
  })
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<Budget> {
    return this.budgets.get(principal, id)
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Change a budget',
    description: 'Holds for calls to come: those under way go on. One that came with its API key stays as it is.',
    access: 'costs:configure',
    answers: [{ status: 200, description: 'The budget as it is now.', schema: budgetSchema }],
    problems: [400, 404, 409],
  })
  async change(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: changeBudgetSchema }) command: ChangeBudgetCommand,
  ): Promise<Budget> {
    await this.changes.change(principal.tenantId, id, command)
    return this.budgets.get(principal, id)
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete a budget',
    access: 'costs:configure',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404, 409],
  })
  async delete(@CurrentPrincipal() { tenantId }: Principal, @Param('id') id: string): Promise<void> {
    await this.changes.delete(tenantId, id)
  }
}
