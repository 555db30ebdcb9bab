import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'

const CHANNEL = 'schedules'

/** Tells every replica that a schedule may be due sooner than it knew. A wake-up, never the truth: that is in the rows. */
@Injectable()
export class ScheduleBell implements OnModuleInit {
  private listener: () => void = () => undefined

  constructor(private readonly notifications: Notifications) {}

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, () => this.listener())
  }

  listen(listener: () => void): void {
    this.listener = listener
  }

  /** When `tx` commits. */
  async ring(tx: Tx): Promise<void> {
    await this.notifications.notify(CHANNEL, '', tx)
  }
}
