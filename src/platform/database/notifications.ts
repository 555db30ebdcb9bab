import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Client, escapeIdentifier } from 'pg'
import { DATABASE_APP_URL } from './database.js'
import type { Tx } from './tx.js'

const RECONNECT_MIN_MS = 100
const RECONNECT_MAX_MS = 5000
const KEEP_ALIVE_DELAY_MS = 10_000
const ANSWER_TIMEOUT_MS = 10_000

/** @param payload null after a reconnect: anything may have been missed, so look at the rows. */
type Listener = (payload: string | null) => void

/** PostgreSQL's LISTEN/NOTIFY over one connection. A wake-up, never the truth: that is in the rows. */
@Injectable()
export class Notifications implements OnApplicationShutdown {
  private readonly listeners = new Map<string, Listener>()
  private client: Client | undefined
  private setUp: Promise<void> = Promise.resolve()
  private reconnectDelayMs = RECONNECT_MIN_MS
  private reconnectTimer: NodeJS.Timeout | undefined
  private closed = false

  constructor(
    @Inject(DATABASE_APP_URL) private readonly url: string,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(Notifications.name)
  }

  /** Calls `listener` for every notification on `channel`, from any replica, for as long as the app runs. Where the database does not answer in ANSWER_TIMEOUT_MS, once it does. */
  async listen(channel: string, listener: Listener): Promise<void> {
    this.listeners.set(channel, listener)
    // One after the other: who comes while the first is connecting must not connect, too.
    const before = this.setUp
    this.setUp = (async () => {
      await before
      if (this.client) await this.listenOn(this.client, [channel])
      else await this.connect()
    })()
    await this.setUp
  }

  /** Sends when `tx` commits; nothing when it rolls back. */
  async notify(channel: string, payload: string, tx: Tx): Promise<void> {
    await tx.query({ name: 'notify', text: 'SELECT pg_notify($1, $2)', values: [channel, payload] })
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true
    clearTimeout(this.reconnectTimer)
    await this.client?.end().catch(() => undefined)
  }

  private async connect(): Promise<void> {
    const client = new Client({
      connectionString: this.url,
      application_name: 'temponest-listen',
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    })
    client.on('error', () => this.reconnectLater(client))
    client.on('end', () => this.reconnectLater(client))
    client.on('notification', ({ channel, payload }) => this.listeners.get(channel)?.(payload ?? ''))
    this.client = client
    await this.listenOn(client, this.listeners.keys(), () => client.connect())
  }

  /** Fails never: what a broken connection does not take, the next one listens to as well. */
  private async listenOn(client: Client, channels: Iterable<string>, first?: () => Promise<unknown>): Promise<void> {
    try {
      await first?.()
      for (const channel of channels) await client.query(`LISTEN ${escapeIdentifier(channel)}`)
      this.reconnectDelayMs = RECONNECT_MIN_MS
    } catch (error) {
      this.logger.warn({ err: error, event: 'listen_failed' }, 'listen_failed')
      this.reconnectLater(client)
    }
  }

  private reconnectLater(failed: Client): void {
    if (this.closed || this.client !== failed || this.reconnectTimer) return
    void failed.end().catch(() => undefined)
    this.reconnectTimer = setTimeout(() => {
      this.reconnectTimer = undefined
      void this.connect().then(() => this.listeners.forEach((listener) => listener(null)))
    }, this.reconnectDelayMs)
    this.reconnectDelayMs = Math.min(this.reconnectDelayMs * 2, RECONNECT_MAX_MS)
  }
}
