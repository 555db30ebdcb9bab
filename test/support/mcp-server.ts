import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CallToolRequestSchema,
  type CallToolRequest,
  type CallToolResult,
  ListToolsRequestSchema,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js'

type Params = CallToolRequest['params']

export interface TestMcpServerOptions {
  /** Without it anybody may ask. */
  readonly token?: string
  readonly tools?: readonly Tool[]
  /** Of every page of its tools. */
  readonly nextCursor?: string
  readonly call?: (params: Params, signal: AbortSignal) => CallToolResult | Promise<CallToolResult>
  /** Answers instead of MCP. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** One JSON answer instead of an event stream. */
  readonly json?: boolean
}

/** A tool without arguments that says what it is. */
export function toolNamed(name: string, rest: Partial<Tool> = {}): Tool {
  return { name, description: `Does ${name}.`, inputSchema: { type: 'object' }, ...rest }
}

export function textResult(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}

/** A real MCP server by streamable HTTP, on 127.0.0.1, which notes what it is asked. */
export class TestMcpServer implements AsyncDisposable {
  readonly requests: { readonly method: string; readonly headers: IncomingMessage['headers'] }[] = []
  readonly calls: Params[] = []
  lists = 0
  connections = 0
  options: TestMcpServerOptions
  private readonly http = createServer((request, response) => void this.answer(request, response))

  private constructor(options: TestMcpServerOptions) {
    this.options = options
    this.http.on('connection', () => (this.connections += 1))
  }

  static async start(options: TestMcpServerOptions = {}): Promise<TestMcpServer> {
    const server = new TestMcpServer(options)
    await once(server.http.listen(0, '127.0.0.1'), 'listening')
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}/mcp`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.http, 'close')
    this.http.close()
    this.http.closeAllConnections()
    await closed
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push({ method: request.method ?? '', headers: request.headers })
    if (this.options.intercept?.(request, response)) return
    const { token } = this.options
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end(`No, not with ${request.headers.authorization}`)
      return
    }
    const server = this.protocol()
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: this.options.json === true })
    response.on('close', () => void server.close())
    await server.connect(transport)
    await transport.handleRequest(request, response)
  }

  private protocol(): Server {
    const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } })
    server.setRequestHandler(ListToolsRequestSchema, () => {
      this.lists += 1
      const { tools = [], nextCursor } = this.options
      return { tools: [...tools], ...(nextCursor !== undefined && { nextCursor }) }
    })
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
      this.calls.push(params)
      return this.options.call?.(params, signal) ?? textResult('done')
    })
    return server
  }
}
