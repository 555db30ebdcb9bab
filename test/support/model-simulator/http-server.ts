import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { anthropicDialect } from './anthropic-dialect.ts'
import { deliver, type Delivery } from './delivery.ts'
import type { Dialect } from './dialect.ts'
import { openAiDialect } from './openai-dialect.ts'
import { isJsonObject, type JsonObject } from './request.ts'

export interface Arrival {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: JsonObject
}

/** Records an arrival and says how to answer it. */
export type Accept = (
  arrival: Arrival,
) => Pick<Delivery, 'record' | 'behaviour' | 'report'> & { readonly onClose: () => void }

const MAX_BODY_BYTES = 32 * 1024 * 1024
/** Longer than clients keep idle sockets, so that they never write to one that is being closed. */
const KEEP_ALIVE_TIMEOUT_MS = 120_000

const DIALECTS: Readonly<Record<string, Dialect>> = {
  '/v1/chat/completions': openAiDialect,
  '/v1/messages': anthropicDialect,
}
const MODELS = { object: 'list', data: [{ id: 'simulated', object: 'model', created: 0, owned_by: 'simulator' }] }

/** A server, not yet listening, that hands every request for a completion to `accept`. */
export function createSimulatorServer(accept: Accept): Server {
  return createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, (message, response) => {
    const chunks: Buffer[] = []
    let bytes = 0
    message.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) message.destroy()
      else chunks.push(chunk)
    })
    message.once('end', () => route({ message, response, accept, text: Buffer.concat(chunks).toString() }))
  })
}

function route(exchange: { message: IncomingMessage; response: ServerResponse; accept: Accept; text: string }): void {
  const { message, response, accept, text } = exchange
  const path = (message.url ?? '/').split('?', 1)[0] ?? '/'
  const dialect = message.method === 'POST' ? DIALECTS[path] : undefined
  if (message.method === 'GET' && path === '/v1/models') {
    send(response, 200, MODELS)
    return
  }
  const body = dialect ? parse(text) : null
  if (!dialect || !body) {
    send(response, dialect ? 400 : 404, (dialect ?? openAiDialect).failure(dialect ? 400 : 404))
    return
  }
  const accepted = accept({ path, headers: message.headers, body })
  const failure = dialect.refusalOf(accepted.record)
  const delivery = { ...accepted, ...(failure && { behaviour: { failure } }), response, dialect }
  response.once('close', () => {
    const { record } = delivery
    if (record.outcome !== 'hung-up' && !response.writableFinished) record.outcome = 'disconnected'
    delivery.onClose()
  })
  deliver(delivery).catch((error: unknown) => {
    // A test's own function threw: the message belongs where the test will see it.
    if (response.headersSent) response.destroy()
    else send(response, 500, { error: { message: `The simulator's behaviour threw: ${String(error)}` } })
  })
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function parse(text: string): JsonObject | null {
  try {
    const body: unknown = JSON.parse(text)
    return isJsonObject(body) ? body : null
  } catch {
    return null
  }
}
