import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { startNodeServer } from './processes.ts'

const PROCESS = fileURLToPath(new URL('webhook-receiver-process.ts', import.meta.url))
const POLL_MS = 50

export interface Arrival {
  readonly messageId: string
  readonly path: string
  /** Milliseconds since the epoch, with their fraction. */
  readonly at: number
}

export interface WebhookReceiver {
  readonly baseUrl: string
  readonly arrivals: () => Promise<Arrival[]>
  readonly reset: () => Promise<void>
  /** @throws Error when fewer have come by then */
  readonly whenArrived: (count: number, limitMs: number) => Promise<void>
}

/** A receiver in a process of its own. */
export async function startWebhookReceiver(): Promise<WebhookReceiver & AsyncDisposable> {
  const server = await startNodeServer({
    name: 'webhook receiver',
    args: [PROCESS],
    ready: z.object({ baseUrl: z.string() }),
  })
  const { baseUrl } = server.ready
  const ask = async (path: string): Promise<unknown> => (await fetch(`${baseUrl}${path}`)).json()
  return {
    baseUrl,
    arrivals: async () => {
      const rows = (await ask('/arrivals')) as [string, string, number][]
      return rows.map(([messageId, path, at]) => ({ messageId, path, at }))
    },
    reset: async () => {
      await fetch(`${baseUrl}/reset`, { method: 'POST' })
    },
    whenArrived: async (count, limitMs) => {
      const deadline = Date.now() + limitMs
      while (true) {
        const arrived = (await ask('/count')) as number
        if (arrived >= count) return
        if (Date.now() > deadline) throw new Error(`${arrived} of ${count} deliveries came in ${limitMs} ms`)
        await delay(POLL_MS)
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
