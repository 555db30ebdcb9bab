import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import type { Attempt, ClaimedDelivery, DeliveryTarget } from './attempt.js'
import { DeliveryMetrics } from './delivery-metrics.service.js'
import { DeliveryOutcomes } from './delivery-outcomes.service.js'
import type { Showing } from './delivery-places.js'
import { DeliveryQueueRepository } from './delivery-queue.repository.js'
import { DeliverySender } from './delivery-sender.service.js'

/** Slower receivers earn no further places. */
const PROMPT_MS = 1000

/** Brings claimed deliveries to an outcome, or gives them back. */
@Injectable()
export class DeliveryWorker {
  private readonly stop = new AbortController()
  private deliveries = 0

  constructor(
    private readonly sender: DeliverySender,
    private readonly outcomes: DeliveryOutcomes,
    private readonly queue: DeliveryQueueRepository,
    private readonly metrics: DeliveryMetrics,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(DeliveryWorker.name)
  }

  get inFlight(): number {
    return this.deliveries
  }

  /** Ends requests under way; their deliveries go back into the queue. */
  abortAll(): void {
    this.stop.abort()
  }

  /** Never rejects: what could not be written down is sent again when its claim has ended. */
  async deliver(delivery: ClaimedDelivery, target: DeliveryTarget): Promise<Showing> {
    this.track(1)
    try {
      const attempt = await this.attempt(delivery, target)
      if (attempt) return await this.settle(delivery, attempt)
      await this.queue.release(delivery.tenantId, [delivery])
      return 'nothing'
    } catch (error) {
      const fields = { err: error, event: 'webhook_delivery_lost', deliveryId: delivery.id }
      this.logger.warn(fields, 'webhook_delivery_lost')
      return 'nothing'
    } finally {
      this.track(-1)
    }
  }

  private async settle(delivery: ClaimedDelivery, attempt: Attempt): Promise<Showing> {
    const outcome = await this.outcomes.add(delivery, attempt)
    this.metrics.count(outcome)
    if (outcome.status !== 'delivered') return 'failure'
    return attempt.durationMs <= PROMPT_MS ? 'prompt' : 'nothing'
  }

  /** Null: it was cut off, or never begun. */
  private async attempt(delivery: ClaimedDelivery, target: DeliveryTarget): Promise<Attempt | null> {
    const { signal } = this.stop
    if (signal.aborted) return null
    try {
      return await this.sender.send(delivery, target, signal)
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }

  private track(change: number): void {
    this.deliveries += change
    this.metrics.setInFlight(this.deliveries)
  }
}
