import { setImmediate as nextTurn } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { compileIfUsable } from '../calls/tool-binder.service.js'
import { McpToolLists } from './mcp-tool-lists.service.js'
import type { McpServerTest } from './mcp-servers.schemas.js'
import { McpServers } from './mcp-servers.service.js'

/** Shows whether a server can be reached, and what it offers. */
@Injectable()
export class McpServerTests {
  constructor(
    private readonly servers: McpServers,
    private readonly lists: McpToolLists,
  ) {}

  /** @throws AppError `not_found`, `tool_unavailable` */
  async test(tenantId: string, id: string): Promise<McpServerTest> {
    const server = await this.servers.get(tenantId, id)
    const tools: McpServerTest['tools'] = []
    for (const { inputSchema, ...tool } of await this.lists.ask(server)) {
      // Compiling takes a millisecond or more, and others wait for this thread meanwhile.
      await nextTurn()
      tools.push({ ...tool, areArgumentsChecked: compileIfUsable(inputSchema) !== null })
    }
    return { ok: true, tools }
  }
}
