import { Module } from '@nestjs/common'
import { ToolBinder } from './calls/tool-binder.service.js'
import { HttpRequestTool } from './catalogue/http-request.tool.js'
import { McpTool } from './catalogue/mcp.tool.js'
import { McpCalls } from './mcp-servers/mcp-calls.service.js'
import { McpCredentials } from './mcp-servers/mcp-credentials.service.js'
import { McpServerChanges } from './mcp-servers/mcp-server-changes.service.js'
import { McpServerDrafts } from './mcp-servers/mcp-server-drafts.service.js'
import { McpServerTests } from './mcp-servers/mcp-server-tests.service.js'
import { McpServersController } from './mcp-servers/mcp-servers.controller.js'
import { McpServersRepository } from './mcp-servers/mcp-servers.repository.js'
import { McpServers } from './mcp-servers/mcp-servers.service.js'
import { McpSessions } from './mcp-servers/mcp-sessions.service.js'
import { McpToolLists } from './mcp-servers/mcp-tool-lists.service.js'
import { TOOL_CATALOGUE, ToolRegistry } from './tool-registry.service.js'
import { Toolbox } from './toolbox.service.js'
import type { Tool } from './tool.js'

/** Every tool that an agent can be given. A new one is a file in `catalogue/`, and its name here. */
const CATALOGUE = [HttpRequestTool, McpTool]

const mcpServers = [
  McpCalls,
  McpCredentials,
  McpServerChanges,
  McpServerDrafts,
  McpServerTests,
  McpServers,
  McpServersRepository,
  McpSessions,
  McpToolLists,
]

@Module({
  controllers: [McpServersController],
  providers: [
    ...mcpServers,
    ...CATALOGUE,
    { provide: TOOL_CATALOGUE, useFactory: (...tools: Tool[]) => tools, inject: CATALOGUE },
    ToolBinder,
    ToolRegistry,
    Toolbox,
  ],
  exports: [Toolbox, ToolRegistry],
})
export class ToolsModule {}
