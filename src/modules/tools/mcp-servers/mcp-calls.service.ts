import { Injectable } from '@nestjs/common'
import type { ToolCallContext, ToolResult } from '../tool.js'
import { toolUnavailable } from '../tools.errors.js'
import { contentText } from './content-text.js'
import { McpServers } from './mcp-servers.service.js'
import { McpSessions } from './mcp-sessions.service.js'

/** For a server that does a call once which we repeat after a crash (MCP 2025-11-25, `_meta`). */
const IDEMPOTENCY_META = 'temponest/idempotency-key'

export interface McpCall {
  readonly server: { readonly id: string; readonly name: string }
  readonly tool: string
  readonly args: Record<string, unknown>
  readonly timeoutMs: number
}

/** Calls tools of MCP servers. */
@Injectable()
export class McpCalls {
  constructor(
    private readonly servers: McpServers,
    private readonly sessions: McpSessions,
  ) {}

  /** @throws AppError `tool_unavailable`; the signal's reason when that aborts */
  async call({ server: { id, name }, tool, args, timeoutMs }: McpCall, context: ToolCallContext): Promise<ToolResult> {
    // As it is now: a run may have waited for days since its tools were listed.
    const server = await this.servers.findForRun(context.tenantId, id)
    if (!server) throw toolUnavailable(`There is no MCP server ${name} any more.`)
    const { CallToolResultSchema } = await import('@modelcontextprotocol/sdk/types.js')
    const params = { name: tool, arguments: args, _meta: { [IDEMPOTENCY_META]: context.callId } }
    return this.sessions.with(server, { timeoutMs, signal: context.signal }, async ({ client, options, redact }) => {
      const answer = await client.request({ method: 'tools/call', params }, CallToolResultSchema, options)
      return { text: redact(contentText(answer)), isError: answer.isError === true }
    })
  }
}
