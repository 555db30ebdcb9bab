import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Notifications } from '#platform/database/notifications.js'
import type { Tx } from '#platform/database/tx.js'

/** `webhook_fan_out` notifies it, too. */
const CHANNEL = 'webhook_deliveries'

/** @param tenantId null: anybody's */
type Listener = (tenantId: string | null) => void

/** Tells every replica that deliveries of a tenant are due. A wake-up, never the truth: that is in the rows. */
@Injectable()
export class DeliveryBell implements OnModuleInit {
  private listener: Listener = () => undefined

  constructor(private readonly notifications: Notifications) {}

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, (tenantId) => this.listener(tenantId))
  }

  listen(listener: Listener): void {
    this.listener = listener
  }

  /** When `tx` commits. */
  async ring(tenantId: string, tx: Tx): Promise<void> {
    await this.notifications.notify(CHANNEL, tenantId, tx)
  }
}
