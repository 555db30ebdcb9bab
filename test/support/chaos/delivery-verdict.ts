import { Webhook } from 'standardwebhooks'
import type { CommitGate } from './commit-gate.js'
import type { Arrival } from './hook-server.js'
import type { HookEndpoint } from './hook-user.js'

const SECONDS_TO_MS = 1000

interface DeliveryRow {
  readonly id: string
  readonly webhookId: string
  readonly messageId: string
  readonly status: string
  readonly attempts: number
  readonly logged: number
  readonly body: string
}

/** What the receivers' own log and the tables say together. */
export class DeliveryVerdict {
  private readonly byDelivery: Map<string, Arrival[]>

  private constructor(
    private readonly deliveries: readonly DeliveryRow[],
    private readonly endpoints: ReadonlyMap<string, HookEndpoint>,
    private readonly arrivals: readonly Arrival[],
  ) {
    this.byDelivery = Map.groupBy(arrivals, (arrival) =>
      keyOf(this.endpoints.get(arrival.path)?.id, arrival.headers['webhook-id']),
    )
  }

  /** @param endpoints by the path of their URL */
  static async of(
    watch: CommitGate,
    endpoints: ReadonlyMap<string, HookEndpoint>,
    arrivals: readonly Arrival[],
  ): Promise<DeliveryVerdict> {
    const deliveries = await watch.query<DeliveryRow>(
      `SELECT d.id, d.webhook_id AS "webhookId", d.message_id AS "messageId", d.status, d.attempts, m.body,
              (SELECT count(*)::integer FROM webhook_attempts a WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id) AS logged
         FROM webhook_deliveries d JOIN webhook_messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id`,
    )
    return new DeliveryVerdict(deliveries, endpoints, arrivals)
  }

  get size(): number {
    return this.deliveries.length
  }

  /** Deliveries that are not done though their receivers would have taken them. */
  undelivered(): object[] {
    return this.deliveries.filter(({ status }) => status !== 'delivered').map(({ body: _body, ...row }) => row)
  }

  /** Deliveries that are not done and of which no receiver has heard. */
  unsent(): number {
    return this.deliveries.filter((row) => row.status !== 'delivered' && this.arrivalsOf(row).length === 0).length
  }

  /** Deliveries that count as done and that no receiver has answered with 2xx. */
  lost(): string[] {
    return this.deliveries.flatMap((row) => (this.arrivalsOf(row).some(({ isAnswered }) => isAnswered) ? [] : [row.id]))
  }

  /** Deliveries that have come more than once. */
  repeated(): number {
    return this.deliveries.filter((row) => this.arrivalsOf(row).length > 1).length
  }

  /** Requests that no delivery explains, or whose body is another than that which was written down. */
  wrongArrivals(): object[] {
    const bodies = new Map(this.deliveries.map((row) => [keyOf(row.webhookId, row.messageId), row.body]))
    return [...this.byDelivery].flatMap(([key, arrivals]) => arrivals.filter(({ body }) => body !== bodies.get(key)))
  }

  /** Requests that the official library does not take, by the clock of their arrival. */
  forged(): Arrival[] {
    return this.arrivals.filter(({ path, headers, body, at }) => {
      const isFresh = Math.abs(Number(headers['webhook-timestamp']) - at / SECONDS_TO_MS) < FRESH_SECONDS
      try {
        new Webhook(this.endpoints.get(path)?.secret ?? '').verify(body, headers)
        return !isFresh
      } catch {
        return true
      }
    })
  }

  /** Deliveries whose attempts are not those that were logged. */
  wrongCounts(): object[] {
    return this.deliveries.filter(({ attempts, logged }) => attempts !== logged)
  }

  private arrivalsOf({ webhookId, messageId }: DeliveryRow): readonly Arrival[] {
    return this.byDelivery.get(keyOf(webhookId, messageId)) ?? []
  }
}

/** An attempt is signed when it is made, not when its message was. */
const FRESH_SECONDS = 10

function keyOf(webhookId: string | undefined, messageId: string | undefined): string {
  return `${webhookId} ${messageId}`
}
