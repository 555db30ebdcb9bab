import { ACCOUNT_EVENTS } from './account-events.js'
import { APPROVAL_EVENTS } from './approval-events.js'
import { BUDGET_EVENTS } from './budget-events.js'
import type { PublicEvent } from './public-event.js'
import { RUN_EVENTS } from './run-events.js'
import { SCHEDULE_EVENTS } from './schedule-events.js'
import { WEBHOOK_EVENTS } from './webhook-events.js'

/** All that endpoints can be told. What is not here stays inside. */
export const PUBLIC_EVENTS: readonly PublicEvent[] = [
  ...RUN_EVENTS,
  ...APPROVAL_EVENTS,
  ...SCHEDULE_EVENTS,
  ...BUDGET_EVENTS,
  ...ACCOUNT_EVENTS,
  ...WEBHOOK_EVENTS,
]
