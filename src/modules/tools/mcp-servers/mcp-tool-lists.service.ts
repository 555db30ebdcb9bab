import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import { boundedText } from '../calls/tool-result.js'
import { toolUnavailable } from '../tools.errors.js'
import type { McpServerRecord } from './mcp-server.entity.js'
import { type McpSession, McpSessions } from './mcp-sessions.service.js'

const LIST_TIMEOUT_MS = 10_000
const KEEP_MS = 60_000
/** Times `MAX_LIST_CHARACTERS` is what they can take at most: 50 MB. */
const MAX_KEPT_LISTS = 200
const MAX_LIST_CHARACTERS = 256 * 1024
const MAX_LISTED_TOOLS = 200
const MAX_PAGES = 20
const MAX_DESCRIPTION_CHARACTERS = 2000
/** Deeper ones can run whoever writes them out of stack. */
const MAX_SCHEMA_DEPTH = 50

/** What a server says of a tool of its own. The hints are its word. */
export interface RemoteTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: Record<string, unknown>
  readonly isIdempotent: boolean
  readonly isDestructive: boolean
}

/** What tools MCP servers offer, as of a minute ago at most. */
@Injectable()
export class McpToolLists {
  private readonly kept = new LRU<readonly RemoteTool[]>(MAX_KEPT_LISTS, KEEP_MS)

  constructor(private readonly sessions: McpSessions) {}

  /** @throws AppError `tool_unavailable`; the signal's reason when that aborts */
  async get(server: McpServerRecord, signal: AbortSignal): Promise<readonly RemoteTool[]> {
    return this.kept.get(keyOf(server)) ?? this.ask(server, signal)
  }

  /** The same, but from the server itself. */
  async ask(server: McpServerRecord, signal?: AbortSignal): Promise<readonly RemoteTool[]> {
    const limits = { timeoutMs: LIST_TIMEOUT_MS, signal: signal ?? new AbortController().signal }
    const tools = await this.sessions.with(server, limits, (session) => listAll(session, server.name))
    this.kept.set(keyOf(server), tools)
    return tools
  }
}

/** A change of the server makes it another one. */
function keyOf({ tenantId, id, updatedAt }: McpServerRecord): string {
  return `${tenantId}:${id}:${updatedAt.getTime()}`
}

async function listAll({ client, options, redact }: McpSession, server: string): Promise<RemoteTool[]> {
  const { ListToolsResultSchema } = await import('@modelcontextprotocol/sdk/types.js')
  const tools: RemoteTool[] = []
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const request = { method: 'tools/list' as const, params: cursor === undefined ? {} : { cursor } }
    // Not `listTools`, which compiles the schemas that it gets.
    const answer = await client.request(request, ListToolsResultSchema, options)
    for (const { name, title, description = title ?? '', inputSchema, annotations } of answer.tools) {
      if (isDeeperThan(MAX_SCHEMA_DEPTH, inputSchema))
        throw tooMuch(server, `a schema nested more than ${MAX_SCHEMA_DEPTH} deep`)
      tools.push({
        name,
        description: boundedText(redact(description), MAX_DESCRIPTION_CHARACTERS),
        inputSchema,
        isIdempotent: annotations?.idempotentHint === true || annotations?.readOnlyHint === true,
        isDestructive: annotations?.destructiveHint === true,
      })
    }
    if (tools.length > MAX_LISTED_TOOLS) throw tooMuch(server, `more than ${MAX_LISTED_TOOLS} tools`)
    if (JSON.stringify(tools).length > MAX_LIST_CHARACTERS)
      throw tooMuch(server, `a list of more than ${MAX_LIST_CHARACTERS} characters`)
    cursor = answer.nextCursor
    if (cursor === undefined) return tools
  }
  throw tooMuch(server, `more than ${MAX_PAGES} pages of tools`)
}

function isDeeperThan(limit: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return limit === 0 || Object.values(value).some((inner) => isDeeperThan(limit - 1, inner))
}

function tooMuch(server: string, what: string): Error {
  return toolUnavailable(`The MCP server ${server} has ${what}.`)
}
