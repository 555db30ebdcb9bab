import { setTimeout as sleep } from 'node:timers/promises'
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import type { ClaimedDelivery, DeliveryTarget } from './attempt.js'
import { DeliveryBell } from './delivery-bell.service.js'
import { type Batch, DeliveryClaims } from './delivery-claims.service.js'
import { type DeliveryLane, newLane } from './delivery-lane.js'
import { DeliveryPlaces } from './delivery-places.js'
import { DeliveryQueueRepository, type DueEndpoints } from './delivery-queue.repository.js'
import { DeliveryWorker } from './delivery-worker.service.js'
import type { EndpointKey } from '../endpoint-key.js'

/** Whatever became of the bell, and of retries whose time has come. */
const SWEEP_INTERVAL_MS = 500
/** Endpoints that one look of a sweep goes over. */
const ENDPOINTS_PER_LOOK = 1000
/** Most deliveries in one claim. */
const MAX_BATCH = 32
/** Claims on their way at once: each has a connection. */
const MAX_CLAIMS = 4
/** The same of looks at the deliveries of tenants who rang. */
const MAX_LOOKS = 4
/** Somebody else has the endpoint's places, or its one try: he may be gone. */
const CONTENDED_MS = 250
/** Until a sweep asks again about an endpoint that is switched off, or paused for longer: whoever changes that rings. */
const REST_MS = 60_000
/** At shutdown, receivers that answer within this are heard. */
const DRAIN_MS = 1500
const ABORT_MS = 2000
const POLL_MS = 20

/**
 * Sends what is due: endpoints take turns, each with as much as is free for it, so that one with a long queue, or a receiver
 * that hangs, stands in nobody's way. Every replica has one; the rows say who sends what.
 */
@Injectable()
export class DeliveryDispatcher implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly lanes = new Map<string, DeliveryLane>()
  /** In the order of their turns. */
  private readonly ready = new Set<DeliveryLane>()
  private readonly rung = new Set<string>()
  private readonly sweep: PeriodicTask
  private readonly places: DeliveryPlaces
  private claiming = 0
  private listing = 0
  private isStopping = false

  constructor(
    { settings }: AppConfig,
    private readonly bell: DeliveryBell,
    private readonly queue: DeliveryQueueRepository,
    private readonly claims: DeliveryClaims,
    private readonly worker: DeliveryWorker,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(DeliveryDispatcher.name)
    this.places = new DeliveryPlaces({
      size: settings.WEBHOOK_CONCURRENCY,
      laneSize: settings.WEBHOOK_ENDPOINT_CONCURRENCY,
    })
    const pass = () => this.lookAtAll()
    this.sweep = new PeriodicTask({ everyMs: SWEEP_INTERVAL_MS, failure: 'webhook_sweep_failed', logger, pass })
  }

  onApplicationBootstrap(): void {
    this.bell.listen((tenantId) => (tenantId === null ? void this.sweep.run() : this.hear(tenantId)))
    this.sweep.start()
  }

  /** Takes no more, lets requests under way end for a moment, and gives the others back. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true
    await this.sweep.stop()
    for (const lane of this.lanes.values()) clearTimeout(lane.timer)
    await this.waitUntilIdle(DRAIN_MS)
    this.worker.abortAll()
    await this.waitUntilIdle(ABORT_MS)
  }

  /** Goes over all endpoints that have something due, in batches. */
  private async lookAtAll(): Promise<void> {
    let after: EndpointKey | null = null
    do {
      const { due, last }: DueEndpoints = await this.queue.listDueEndpoints(after, ENDPOINTS_PER_LOOK)
      for (const lane of due.map((endpoint) => this.laneOf(endpoint))) {
        if (!lane.isResting) this.look(lane)
      }
      after = last
    } while (after && !this.isStopping)
  }

  private hear(tenantId: string): void {
    this.rung.add(tenantId)
    if (this.listing < MAX_LOOKS) void this.listRung()
  }

  /** Those who ring meanwhile have their turn afterwards, however often they do. */
  private async listRung(): Promise<void> {
    this.listing += 1
    for (const tenantId of this.rung) {
      this.rung.delete(tenantId)
      try {
        for (const endpoint of await this.queue.listDueEndpointsOf(tenantId)) this.look(wake(this.laneOf(endpoint)))
      } catch (error) {
        this.warn('webhook_look_failed', error, tenantId)
      }
    }
    this.listing -= 1
  }

  private laneOf(endpoint: EndpointKey): DeliveryLane {
    const key = `${endpoint.tenantId}/${endpoint.webhookId}`
    const lane = this.lanes.get(key) ?? newLane(endpoint)
    this.lanes.set(key, lane)
    return lane
  }

  /** Gives the endpoint a turn, unless it may not be sent anything yet. */
  private look(lane: DeliveryLane): void {
    if (this.isStopping || performance.now() < lane.blockedUntilMs) return
    lane.wantsLook = true
    if (lane.isClaiming || this.places.isLaneFull(lane)) return
    this.ready.add(lane)
    this.takeTurns()
  }

  private takeTurns(): void {
    for (const lane of this.ready) {
      if (this.places.areFull || this.claiming >= MAX_CLAIMS || this.isStopping) return
      // Stays in its place: another of the tenant's deliveries has to end first.
      if (this.places.isTenantFull(lane)) continue
      this.ready.delete(lane)
      const limit = Math.min(MAX_BATCH, this.places.offer(lane, this.ready.size))
      if (limit > 0) void this.fill(lane, limit)
    }
  }

  private async fill(lane: DeliveryLane, limit: number): Promise<void> {
    this.places.take(lane, limit)
    lane.isClaiming = true
    lane.wantsLook = false
    this.claiming += 1
    try {
      const batch = await this.claims.claim(lane, limit)
      this.places.leave(lane, limit - batch.deliveries.length)
      this.start(lane, batch)
      this.planNextLook(lane, batch, limit)
    } catch (error) {
      this.places.leave(lane, limit)
      this.warn('webhook_claim_failed', error, lane.tenantId)
    } finally {
      this.claiming -= 1
      lane.isClaiming = false
      this.settle(lane)
    }
  }

  private start(lane: DeliveryLane, { deliveries, target }: Batch): void {
    for (const delivery of deliveries) void this.deliver(lane, delivery, target)
  }

  private async deliver(lane: DeliveryLane, delivery: ClaimedDelivery, target: DeliveryTarget): Promise<void> {
    const showing = await this.worker.deliver(delivery, target)
    this.places.leave(lane, 1)
    this.places.learn(lane, showing)
    lane.wantsLook ||= lane.isContended
    this.settle(lane)
  }

  private planNextLook(
    lane: DeliveryLane,
    { deliveries, nextLookMs, blockedMs, isPaused }: Batch,
    limit: number,
  ): void {
    if (blockedMs === null) return this.rest(lane)
    lane.isResting = false
    lane.isPaused = isPaused
    if (blockedMs > 0) return this.block(lane, Math.min(blockedMs, REST_MS))
    lane.isContended = nextLookMs === 0 && deliveries.length < limit
    if (lane.isContended) this.lookLater(lane, CONTENDED_MS)
    else if (nextLookMs === 0) lane.wantsLook = true
    // What is due later is for the next sweep to find.
    else if (nextLookMs <= SWEEP_INTERVAL_MS) this.lookLater(lane, nextLookMs)
  }

  private rest(lane: DeliveryLane): void {
    lane.isResting = true
    this.lookLater(lane, REST_MS)
    this.queue.closeDeleted(lane).catch((error: unknown) => this.warn('webhook_close_failed', error, lane.tenantId))
  }

  private block(lane: DeliveryLane, waitMs: number): void {
    lane.blockedUntilMs = performance.now() + waitMs
    this.lookLater(lane, waitMs)
  }

  private lookLater(lane: DeliveryLane, waitMs: number): void {
    clearTimeout(lane.timer)
    if (this.isStopping) return
    lane.timer = setTimeout(() => {
      lane.timer = undefined
      lane.blockedUntilMs = 0
      lane.isResting = false
      this.look(lane)
      this.forgetIdle(lane)
    }, waitMs).unref()
  }

  /** After a claim or a delivery: places are free again, perhaps for the same endpoint. */
  private settle(lane: DeliveryLane): void {
    const hasRoom = lane.inFlight <= lane.window / 2
    if (lane.wantsLook && hasRoom) this.look(lane)
    this.takeTurns()
    this.forgetIdle(lane)
  }

  private forgetIdle(lane: DeliveryLane): void {
    if (lane.inFlight > 0 || lane.isClaiming || lane.wantsLook || lane.timer) return
    this.lanes.delete(`${lane.tenantId}/${lane.webhookId}`)
  }

  private async waitUntilIdle(limitMs: number): Promise<void> {
    const deadline = Date.now() + limitMs
    while ((this.claiming > 0 || this.worker.inFlight > 0) && Date.now() < deadline) await sleep(POLL_MS)
  }

  private warn(event: string, error: unknown, tenantId: string): void {
    this.logger.warn({ err: error, event, tenantId }, event)
  }
}

/** Somebody says that it may be sent something: it is neither off nor paused any more. */
function wake(lane: DeliveryLane): DeliveryLane {
  lane.isResting = false
  if (lane.isPaused) lane.blockedUntilMs = 0
  lane.isPaused = false
  return lane
}
