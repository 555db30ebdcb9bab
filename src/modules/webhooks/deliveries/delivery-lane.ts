import type { EndpointKey } from '../endpoint-key.js'

/** Of an endpoint that nothing is known of. */
const FIRST_WINDOW = 4

/** One endpoint as this replica serves it. */
export interface DeliveryLane extends EndpointKey {
  inFlight: number
  /** How many it may have in flight, by what it has shown. */
  window: number
  /** A claim is on its way. */
  isClaiming: boolean
  /** There may be more, that was not there or not allowed at the last claim. */
  wantsLook: boolean
  /** Somebody else had the endpoint's places: the next that becomes free may be ours. */
  isContended: boolean
  /** Not before this, on the clock of `performance.now()`: its pace, a pause or its circuit says so. */
  blockedUntilMs: number
  /** `blockedUntilMs` is the end of a pause. */
  isPaused: boolean
  /** Switched off: sweeps pass it by until its timer ends; who switches it on rings. */
  isResting: boolean
  timer: NodeJS.Timeout | undefined
}

export function newLane({ tenantId, webhookId }: EndpointKey): DeliveryLane {
  return {
    tenantId,
    webhookId,
    inFlight: 0,
    window: FIRST_WINDOW,
    isClaiming: false,
    wantsLook: false,
    isContended: false,
    blockedUntilMs: 0,
    isPaused: false,
    isResting: false,
    timer: undefined,
  }
}
