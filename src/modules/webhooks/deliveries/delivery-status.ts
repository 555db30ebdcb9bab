/** pending → delivering → delivered | retrying → exhausted */
export const DELIVERY_STATUSES = ['pending', 'delivering', 'delivered', 'retrying', 'exhausted'] as const
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]
