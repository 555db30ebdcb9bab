import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Endpoint } from '#platform/http/endpoint.js'
import { type Page, sendNextLink } from '#platform/http/page.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import { McpServerChanges } from './mcp-server-changes.service.js'
import { McpServerTests } from './mcp-server-tests.service.js'
import {
  addressOf,
  type ChangeMcpServerCommand,
  changeMcpServerSchema,
  type CreateMcpServerCommand,
  createMcpServerSchema,
  type McpServer,
  type McpServerListQuery,
  mcpServerListQuerySchema,
  mcpServerPageSchema,
  mcpServerSchema,
  type McpServerTest,
  mcpServerTestSchema,
} from './mcp-servers.schemas.js'
import { McpServers } from './mcp-servers.service.js'

@ApiTags('mcp-servers')
@Controller('v1/mcp-servers')
export class McpServersController {
  constructor(
    private readonly servers: McpServers,
    private readonly changes: McpServerChanges,
    private readonly tests: McpServerTests,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Add an MCP server',
    description: 'Its tools can be given to agents by the tool `mcp`. The server is not asked yet.',
    access: 'mcp-servers:write',
    idempotent: true,
    answers: [{ status: 201, description: 'The server.', schema: mcpServerSchema }],
    problems: [400, 409],
  })
  async create(
    @CurrentPrincipal() { tenantId }: Principal,
    @Body({ schema: createMcpServerSchema }) command: CreateMcpServerCommand,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<McpServer> {
    const created = await this.changes.create(tenantId, command)
    void reply.header('Location', addressOf(created))
    return created
  }

  @Get()
  @Endpoint({
    summary: 'List MCP servers, newest first',
    access: 'mcp-servers:read',
    answers: [{ status: 200, description: 'A page of servers.', schema: mcpServerPageSchema }],
    problems: [400],
  })
  async list(
    @CurrentPrincipal() { tenantId }: Principal,
    @Query({ schema: mcpServerListQuerySchema }) query: McpServerListQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<McpServer>> {
    const page = await this.servers.list(tenantId, query)
    sendNextLink(request, reply, page)
    return page
  }

  @Get(':id')
  @Endpoint({
    summary: 'Get an MCP server',
    access: 'mcp-servers:read',
    answers: [{ status: 200, description: 'The server, without the values of its headers.', schema: mcpServerSchema }],
    problems: [404],
  })
  async get(@CurrentPrincipal() { tenantId }: Principal, @Param('id') id: string): Promise<McpServer> {
    return this.servers.toView(await this.servers.get(tenantId, id))
  }

  @Patch(':id')
  @Endpoint({
    summary: 'Change an MCP server',
    description: 'A new URL takes the headers along only if they are sent again.',
    access: 'mcp-servers:write',
    answers: [{ status: 200, description: 'The server as it is now.', schema: mcpServerSchema }],
    problems: [400, 404],
  })
  change(
    @CurrentPrincipal() { tenantId }: Principal,
    @Param('id') id: string,
    @Body({ schema: changeMcpServerSchema }) command: ChangeMcpServerCommand,
  ): Promise<McpServer> {
    return this.changes.change(tenantId, id, command)
  }

  @Delete(':id')
  @Endpoint({
    summary: 'Delete an MCP server',
    description: 'Agents that name it can use its tools no more.',
    access: 'mcp-servers:write',
    answers: [{ status: 204, description: 'It is gone.' }],
    problems: [404],
  })
  async delete(@CurrentPrincipal() { tenantId }: Principal, @Param('id') id: string): Promise<void> {
    await this.changes.delete(tenantId, id)
  }

  @Post(':id/test')
  @Endpoint({
    summary: 'Ask an MCP server for its tools',
    description: 'Connects with its headers and lists its tools, anew each time.',
    access: 'mcp-servers:write',
    answers: [{ status: 200, description: 'It answers; its tools.', schema: mcpServerTestSchema }],
    problems: [404, 502],
  })
  test(@CurrentPrincipal() { tenantId }: Principal, @Param('id') id: string): Promise<McpServerTest> {
    return this.tests.test(tenantId, id)
  }
}
