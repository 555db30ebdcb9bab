import { setTimeout as sleep } from 'node:timers/promises'
import type { AppHome, AppProcess } from '../app-process.js'

const RETRY_MS = 50
const UNAVAILABLE = 503
const REQUEST_LIMIT_MS = 60_000

/** Several processes of the app on one database, of which any may be dead at any time. */
export class Replicas {
  private readonly slots = new Map<number, AppProcess>()
  private lastRefusal = ''
  private readonly urls = new Map<AppProcess, string>()

  constructor(
    private readonly home: AppHome,
    private readonly env: Record<string, string>,
  ) {}

  /** Starts a process in that slot. @returns its URL once it is ready */
  async start(slot: number): Promise<string> {
    const app = this.home.start(this.env)
    this.slots.set(slot, app)
    const url = await app.ready()
    this.urls.set(app, url)
    return url
  }

  async stop(slot: number, signal: NodeJS.Signals): Promise<void> {
    const app = this.slots.get(slot)
    if (!app) return
    this.urls.delete(app)
    this.slots.delete(slot)
    await app.stop(signal)
  }

  /**
   * Sends the request to one that runs, and to another when that one dies of it: as clients do that mean to be heard. A POST must
   * carry an idempotency key, or be one that happens once by itself.
   */
  async request(path: string, init: RequestInit): Promise<Response> {
    const deadline = Date.now() + REQUEST_LIMIT_MS
    while (true) {
      const response = await this.tryOnce(path, init)
      if (response) return response
      if (Date.now() > deadline) throw new Error(`nobody answers ${path}; last: ${this.lastRefusal}`)
      await sleep(RETRY_MS)
    }
  }

  /** Null: there is none, it cannot answer now, or it died before its answer was whole. */
  async tryOnce(path: string, init: RequestInit): Promise<Response | null> {
    const urls = [...this.urls.values()]
    const url = urls[Math.floor(Math.random() * urls.length)]
    if (url === undefined) return null
    try {
      const response = await fetch(`${url}${path}`, init)
      const body = await response.arrayBuffer()
      if (response.status === UNAVAILABLE) {
        this.lastRefusal = Buffer.from(body).toString()
        return null
      }
      const hasBody = body.byteLength > 0
      return new Response(hasBody ? body : null, { status: response.status, headers: response.headers })
    } catch {
      return null
    }
  }
}
