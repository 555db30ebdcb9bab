import { Injectable } from '@nestjs/common'
import { z } from 'zod'
import type { FieldError } from '#kernel/app-error.js'
import { ToolBinder } from '../calls/tool-binder.service.js'
import { McpCalls } from '../mcp-servers/mcp-calls.service.js'
import type { McpServerRecord } from '../mcp-servers/mcp-server.entity.js'
import { mcpServerNameSchema } from '../mcp-servers/mcp-servers.schemas.js'
import { McpServers } from '../mcp-servers/mcp-servers.service.js'
import { McpToolLists, type RemoteTool } from '../mcp-servers/mcp-tool-lists.service.js'
import { remoteToolName } from '../mcp-servers/remote-tool-name.js'
import { type BoundTool, type CheckedUse, Tool } from '../tool.js'
import { toolUnavailable } from '../tools.errors.js'

const CALL_TIMEOUT_MS = 30_000
const MAX_TOOLS_PER_USE = 64
const MAX_REMOTE_NAME_LENGTH = 128

const mcpConfigSchema = z.strictObject({
  /** Name of one of the tenant's MCP servers. */
  server: mcpServerNameSchema,
  /** As the server calls them; absent: all. */
  tools: z.array(z.string().min(1).max(MAX_REMOTE_NAME_LENGTH)).min(1).max(MAX_TOOLS_PER_USE).optional(),
})
type McpConfig = z.infer<typeof mcpConfigSchema>

/** The tools of a remote MCP server, or those of them that are named. */
@Injectable()
export class McpTool extends Tool<McpConfig> {
  override readonly name = 'mcp'
  override readonly configSchema = mcpConfigSchema

  constructor(
    private readonly servers: McpServers,
    private readonly lists: McpToolLists,
    private readonly calls: McpCalls,
    private readonly binder: ToolBinder,
  ) {
    super()
  }

  override namesOf({ server, tools = [] }: McpConfig): readonly string[] {
    return tools.map((tool) => remoteToolName(server, tool))
  }

  override async check(tenantId: string, { server }: McpConfig): Promise<readonly FieldError[]> {
    if (await this.servers.findByName(tenantId, server)) return []
    return [{ pointer: '/server', detail: `There is no MCP server ${server}.` }]
  }

  override async bind(
    tenantId: string,
    { config, requireApproval }: CheckedUse<McpConfig>,
    signal: AbortSignal,
  ): Promise<BoundTool[]> {
    const server = await this.servers.findByNameForRun(tenantId, config.server)
    if (!server) throw toolUnavailable(`There is no MCP server ${config.server} any more.`)
    const chosen = choose(await this.lists.get(server, signal), config)
    return chosen.map((tool) => this.bindOne(server, tool, requireApproval))
  }

  private bindOne({ id, name }: McpServerRecord, tool: RemoteTool, requireApproval: boolean | undefined): BoundTool {
    const description = {
      name: remoteToolName(name, tool.name),
      description: tool.description,
      inputSchema: tool.inputSchema,
      isIdempotent: tool.isIdempotent,
      needsApproval: requireApproval ?? tool.isDestructive,
      timeoutMs: CALL_TIMEOUT_MS,
    }
    const call = { server: { id, name }, tool: tool.name, timeoutMs: CALL_TIMEOUT_MS }
    return this.binder.bind(description, (args, context) => this.calls.call({ ...call, args }, context))
  }
}

/** Which tools a model gets must not depend on the order in which a server names them, so that none is left out silently. */
function choose(offered: readonly RemoteTool[], { server, tools }: McpConfig): readonly RemoteTool[] {
  const missing = tools?.find((name) => !offered.some((tool) => tool.name === name))
  if (missing !== undefined) throw toolUnavailable(`The MCP server ${server} has no tool ${missing}.`)
  const chosen = tools ? offered.filter(({ name }) => tools.includes(name)) : offered
  if (chosen.length <= MAX_TOOLS_PER_USE) return chosen
  throw toolUnavailable(
    `The MCP server ${server} has ${chosen.length} tools, and an agent takes ${MAX_TOOLS_PER_USE} of them: name those that it needs.`,
  )
}
