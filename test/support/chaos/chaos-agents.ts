import type { Behaviour, ModelSimulator } from '../model-simulator.js'
import type { SimulatedRequest } from '../model-simulator/request.ts'

const LATENCY_MS = { least: 100, most: 400 }
const STREAM_TOKENS_PER_SECOND = 60
const LOOKUP = 'lookup'
const BOOK = 'book'
const HELPER = 'helper'

/** What runs do, each named in its task: `chaos:<kind>`. */
export const KINDS = ['plain', 'stream', 'lookup', 'book', 'both', 'delegate', 'structured'] as const
export type ChaosKind = (typeof KINDS)[number] | 'whole' | 'long'

export const OUTPUT_SCHEMA = {
  type: 'object',
  properties: { answer: { type: 'integer' } },
  required: ['answer'],
  additionalProperties: false,
}

/** An agent that looks things up (which may be repeated), books things (which must not), and delegates to a helper. */
export function chaosAgents(toolHost: string): object[] {
  const tools = [
    { tool: 'http_request', config: { name: LOOKUP, hosts: [toolHost], methods: ['GET'] } },
    { tool: 'http_request', config: { name: BOOK, hosts: [toolHost], methods: ['POST'] } },
  ]
  return [
    { slug: HELPER, name: 'Helper', instructions: 'Help.', tools },
    { slug: 'worker', name: 'Worker', instructions: 'Work.', tools, delegates: [HELPER] },
  ]
}

/** Plays the model: the same conversation gets the same answer, whoever asks, and however often. */
export function playModel(simulator: ModelSimulator, toolHost: string): void {
  simulator.when((request) => {
    const kind = /chaos:(\w+)/.exec(request.text)?.[1] ?? ''
    const move = movesOf(kind, request, toolHost)[answersIn(request)] ?? say(kind)
    const latencyMs = LATENCY_MS.least + Math.floor(Math.random() * (LATENCY_MS.most - LATENCY_MS.least))
    return { latencyMs, ...move }
  })
}

function movesOf(kind: string, request: SimulatedRequest, host: string): Behaviour[] {
  const lookup = call(LOOKUP, 'GET', request, host)
  const book = call(BOOK, 'POST', request, host)
  const help = { name: 'delegate', arguments: { agent: HELPER, task: 'chaos:lookup' } }
  const moves: Record<string, Behaviour[]> = {
    stream: [{ ...say(kind), tokensPerSecond: STREAM_TOKENS_PER_SECOND }],
    lookup: [{ toolCalls: [lookup] }],
    book: [{ toolCalls: [book] }],
    both: [{ toolCalls: [lookup, book], preamble: 'Both at once.' }],
    delegate: [{ toolCalls: [help, help] }],
    structured: [{ reply: 'no JSON' }, { reply: '{"answer":42}' }],
    // Outlives the grace of its first worker.
    long: [{ ...say(kind), tokensPerSecond: fencingOf(request) === 1 ? 1 : 0 }],
    whole: [
      { toolCalls: [lookup] },
      { toolCalls: [book] },
      { toolCalls: [help] },
      { ...say(kind), tokensPerSecond: STREAM_TOKENS_PER_SECOND },
    ],
  }
  return moves[kind] ?? []
}

function call(name: string, method: string, { headers }: SimulatedRequest, host: string) {
  const asker = String(headers['x-client-request-id']).split('-').slice(0, 6).join('-')
  return { name, arguments: { method, url: `http://${host}/${name}?asker=${asker}` } }
}

/** The request id is `<runId>-<position>-<fencing>-<try>`. */
function fencingOf({ headers }: SimulatedRequest): number {
  return Number(String(headers['x-client-request-id']).split('-').at(-2))
}

function say(kind: string): Behaviour {
  return { reply: `Done with ${kind}: ${'word '.repeat(24)}end.` }
}

function answersIn({ body }: SimulatedRequest): number {
  const messages = Array.isArray(body['messages']) ? (body['messages'] as { role: string }[]) : []
  return messages.filter(({ role }) => role === 'assistant').length
}
