import { Client, type ClientConfig, type Connection } from 'pg'

/** pg's client as it is inside: its many signatures of `query` come down to this one. */
interface ClientInternals {
  readonly connection: Connection
  query(...request: unknown[]): unknown
}

const BaseClient = Client as unknown as new (config?: ClientConfig) => ClientInternals

/**
 * Sends all that is asked of a connection in one turn of the event loop in one write. In pipeline mode each statement would be
 * a write of its own, a system call here and a wake-up of the server's process there: together they cost more than the
 * statements do.
 */
export class BatchingClient extends BaseClient implements ClientInternals {
  private isHeld = false

  override query(...request: unknown[]): unknown {
    this.holdWrites()
    return super.query(...request)
  }

  private holdWrites(): void {
    if (this.isHeld) return
    this.isHeld = true
    const { stream } = this.connection
    stream.cork()
    process.nextTick(() => {
      this.isHeld = false
      stream.uncork()
    })
  }
}
