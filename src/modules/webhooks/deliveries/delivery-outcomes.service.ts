import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { AppConfig } from '#platform/config/app-config.js'
import { GroupCommit } from '#platform/database/group-commit.js'
import type { WebhookKey } from '../endpoints/webhook.js'
import { WebhookDisabling } from '../endpoints/webhook-disabling.service.js'
import type { DisabledReason } from '../disabled-reason.js'
import { type Attempt, type ClaimedDelivery, isGone } from './attempt.js'
import { type CircuitPolicy, DeliveryOutcomesRepository } from './delivery-outcomes.repository.js'
import { type Outcome, toOutcome } from './outcome.js'
import type { RetryPolicy } from './retry-schedule.js'

/** Decides what an attempt comes to, and writes it down; under load many share a commit. */
@Injectable()
export class DeliveryOutcomes {
  private readonly retries: RetryPolicy
  private readonly circuit: CircuitPolicy
  private readonly commits = new GroupCommit<Outcome>({
    commit: (tenantId, outcomes) => this.write(tenantId, outcomes),
  })

  constructor(
    { settings }: AppConfig,
    private readonly outcomes: DeliveryOutcomesRepository,
    private readonly disabling: WebhookDisabling,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(DeliveryOutcomes.name)
    this.retries = {
      retrySeconds: settings.WEBHOOK_RETRY_SECONDS,
      maxRetryAfterSeconds: settings.WEBHOOK_RETRY_AFTER_MAX_SECONDS,
    }
    this.circuit = {
      failures: settings.WEBHOOK_CIRCUIT_FAILURES,
      minSeconds: settings.WEBHOOK_CIRCUIT_MIN_SECONDS,
      maxSeconds: settings.WEBHOOK_CIRCUIT_MAX_SECONDS,
      disableAfterHours: settings.WEBHOOK_DISABLE_AFTER_HOURS,
    }
  }

  async add(delivery: ClaimedDelivery, attempt: Attempt): Promise<Outcome> {
    const outcome = toOutcome(delivery, attempt, this.retries, Math.random())
    await this.commits.add(delivery.tenantId, outcome)
    return outcome
  }

  private async write(tenantId: string, outcomes: readonly Outcome[]): Promise<void> {
    const hopeless = await this.outcomes.add(tenantId, outcomes, this.circuit)
    const gone = outcomes.filter(({ attempt }) => isGone(attempt)).map(({ delivery }) => delivery.webhookId)
    for (const id of new Set(gone)) await this.disable({ tenantId, id }, 'gone')
    for (const id of hopeless) await this.disable({ tenantId, id }, 'failing')
  }

  /** The outcomes are written, and stay so: what fails here comes again with the endpoint's next failure. */
  private async disable(webhook: WebhookKey, reason: DisabledReason): Promise<void> {
    await this.disabling.disable(webhook, reason).catch((error: unknown) => {
      this.logger.warn({ err: error, event: 'webhook_disable_failed', webhookId: webhook.id }, 'webhook_disable_failed')
    })
  }
}
