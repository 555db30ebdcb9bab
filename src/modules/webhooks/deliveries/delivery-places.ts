import type { DeliveryLane } from './delivery-lane.js'

export interface PlacesOptions {
  /** Deliveries under way at once. */
  readonly size: number
  /** Of them, most of one endpoint. */
  readonly laneSize: number
}

/** What a delivery has shown of its endpoint. */
export type Showing = 'prompt' | 'failure' | 'nothing'

/**
 * The deliveries that one replica can have under way. An endpoint begins with few and gets one more with each prompt success, half
 * with each failure, as TCP does it: one that hangs never gets to hold many. A tenant gets no more than what is free after it (a
 * dynamic threshold, as switches share their buffers): alone half of all, one of n a share of n + 1, so that there is always
 * something left for who comes next.
 */
export class DeliveryPlaces {
  private readonly byTenant = new Map<string, number>()
  private used = 0

  constructor(private readonly options: PlacesOptions) {}

  get areFull(): boolean {
    return this.free <= 0
  }

  isTenantFull(lane: DeliveryLane): boolean {
    return this.leftFor(lane) <= 0
  }

  /** Whether the endpoint has as much under way as it may. */
  isLaneFull({ inFlight, window }: DeliveryLane): boolean {
    return inFlight >= Math.min(window, this.options.laneSize)
  }

  /** The places that an endpoint can have now, when so many others wait for theirs. */
  offer(lane: DeliveryLane, othersWaiting: number): number {
    const fairShare = Math.ceil(this.free / (othersWaiting + 1))
    const ofLane = Math.min(lane.window, this.options.laneSize) - lane.inFlight
    return Math.max(0, Math.min(fairShare, this.leftFor(lane), ofLane))
  }

  take(lane: DeliveryLane, places: number): void {
    lane.inFlight += places
    this.used += places
    this.byTenant.set(lane.tenantId, this.tenantUse(lane.tenantId) + places)
  }

  leave(lane: DeliveryLane, places: number): void {
    this.take(lane, -places)
    if (this.tenantUse(lane.tenantId) === 0) this.byTenant.delete(lane.tenantId)
  }

  learn(lane: DeliveryLane, showing: Showing): void {
    if (showing === 'prompt') lane.window = Math.min(lane.window + 1, this.options.laneSize)
    if (showing === 'failure') lane.window = Math.max(1, Math.floor(lane.window / 2))
  }

  private get free(): number {
    return this.options.size - this.used
  }

  /** So many that what the tenant has is no more than what is free. */
  private leftFor({ tenantId }: DeliveryLane): number {
    return Math.ceil((this.free - this.tenantUse(tenantId)) / 2)
  }

  private tenantUse(tenantId: string): number {
    return this.byTenant.get(tenantId) ?? 0
  }
}
