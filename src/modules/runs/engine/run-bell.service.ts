import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'

const CHANNEL = 'runs_queued'

/** Tells every replica that a run waits for a worker. A wake-up, never the truth: the queue is in the rows. */
@Injectable()
export class RunBell implements OnModuleInit {
  private listener: () => void = () => undefined

  constructor(private readonly notifications: Notifications) {}

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, () => this.listener())
  }

  /** Calls `listener` whenever there may be something in the queue. */
  listen(listener: () => void): void {
    this.listener = listener
  }

  /** When `tx` commits. */
  async ring(tx: Tx): Promise<void> {
    tx.afterCommit(() => this.listener())
    await this.notifications.notify(CHANNEL, '', tx)
  }
}
