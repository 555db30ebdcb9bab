/** An endpoint as its deliveries, secrets and replays name it. */
export interface EndpointKey {
  readonly tenantId: string
  readonly webhookId: string
}
