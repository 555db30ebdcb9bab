import type { DeliveryLane } from './delivery-lane.js'

export interface PlacesOptions {
  /** Deliveries under way at once. */
  readonly size: number
  /** Of them, most of one endpoint. */
  readonly laneSize: number
}

/** What one tenant can have of all places: whoever has many receivers that hang leaves the rest to others. */
const TENANT_SHARE = 0.5

/**
 * The deliveries that one replica can have under way. An endpoint begins with few and gets one more with each success, half with
 * each failure, as TCP does it: one that hangs never gets to hold many.
 */
export class DeliveryPlaces {
  private readonly byTenant = new Map<string, number>()
  private readonly tenantSize: number
  private used = 0

  constructor(private readonly options: PlacesOptions) {
    this.tenantSize = Math.ceil(options.size * TENANT_SHARE)
  }

  get areFull(): boolean {
    return this.used >= this.options.size
  }

  isTenantFull({ tenantId }: DeliveryLane): boolean {
    return this.tenantUse(tenantId) >= this.tenantSize
  }

  /** Whether the endpoint has as much under way as it may. */
  isLaneFull({ inFlight, window }: DeliveryLane): boolean {
    return inFlight >= Math.min(window, this.options.laneSize)
  }

  /** The places that an endpoint can have now, when so many others wait for theirs. */
  offer(lane: DeliveryLane, othersWaiting: number): number {
    const fairShare = Math.ceil((this.options.size - this.used) / (othersWaiting + 1))
    const ofTenant = this.tenantSize - this.tenantUse(lane.tenantId)
    const ofLane = Math.min(lane.window, this.options.laneSize) - lane.inFlight
    return Math.max(0, Math.min(fairShare, ofTenant, ofLane))
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

  /** What a delivery has shown of its endpoint. */
  learn(lane: DeliveryLane, isDelivered: boolean): void {
    lane.window = isDelivered
      ? Math.min(lane.window + 1, this.options.laneSize)
      : Math.max(1, Math.floor(lane.window / 2))
  }

  private tenantUse(tenantId: string): number {
    return this.byTenant.get(tenantId) ?? 0
  }
}
