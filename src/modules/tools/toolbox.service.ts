import { Injectable } from '@nestjs/common'
import type { BoundTool, ToolUse } from './tool.js'
import { ToolRegistry } from './tool-registry.service.js'
import { toolUnavailable } from './tools.errors.js'

/** Gives a run the tools of its agent. */
@Injectable()
export class Toolbox {
  constructor(private readonly registry: ToolRegistry) {}

  /**
   * All tools that these uses stand for, in their order, each name once. Asks MCP servers for their tools, which are kept for a minute;
   * never inside a transaction.
   * @throws AppError `tool_unavailable` when a server cannot be asked or offers what cannot be used; `validation_failed` for uses that
   * `ToolRegistry.check` would refuse; the signal's reason when that aborts
   */
  async open(tenantId: string, uses: readonly ToolUse[], signal: AbortSignal): Promise<BoundTool[]> {
    const known = this.registry.read(uses)
    const bound = (await Promise.all(known.map(({ tool, use }) => tool.bind(tenantId, use, signal)))).flat()
    const names = new Set<string>()
    for (const { name } of bound) {
      if (names.has(name)) throw toolUnavailable(`Two tools of this agent have the name ${name}.`)
      names.add(name)
    }
    return bound
  }
}
