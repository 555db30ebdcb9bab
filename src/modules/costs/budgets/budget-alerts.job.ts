import {
  type BeforeApplicationShutdown,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Database } from '#platform/database/database.js'
import { Notifications } from '#platform/database/notifications.js'
import { EventBus } from '#platform/events/event-bus.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { BudgetExceeded, BudgetThresholdReached } from './budget.events.js'
import { type BudgetAlert, BudgetAlertsRepository } from './budget-alerts.repository.js'

/** Rung by `raise_budget_alerts`, and by who notes a refusal. */
const CHANNEL = 'budget_alerts'
/** Whatever became of the bell. */
const BACKSTOP_MS = 10_000
const TENANTS_PER_LOOK = 100
const ALERTS_PER_COMMIT = 100
const FAILURE = 'budget_alerts_failed'
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000'

/** Tells what budgets have to tell, each once: a row is marked in the commit that tells of it. On every replica. */
@Injectable()
export class BudgetAlerts implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask
  private hasRung = false

  constructor(
    private readonly database: Database,
    private readonly alerts: BudgetAlertsRepository,
    private readonly events: EventBus,
    private readonly notifications: Notifications,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(BudgetAlerts.name)
    this.task = new PeriodicTask({ everyMs: BACKSTOP_MS, failure: FAILURE, logger, pass: () => this.pass() })
  }

  async onModuleInit(): Promise<void> {
    await this.notifications.listen(CHANNEL, () => this.ring())
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** One pass; a second call while one is under way joins it. Never rejects. */
  announceAll(): Promise<void> {
    return this.task.run()
  }

  private ring(): void {
    this.hasRung = true
    void this.announceAll()
  }

  /** Once more where somebody has rung meanwhile: what he rang for may not have been seen. */
  private async pass(): Promise<void> {
    do {
      this.hasRung = false
      await this.look()
    } while (this.hasRung && !this.task.isStopping)
  }

  private async look(): Promise<void> {
    let last = BEFORE_ALL
    while (!this.task.isStopping) {
      const tenants = await this.alerts.listTenants(last, TENANTS_PER_LOOK)
      for (const tenantId of tenants) await this.announce(tenantId)
      last = tenants.at(-1) ?? last
      if (tenants.length < TENANTS_PER_LOOK) return
    }
  }

  /** Each tenant by itself: what fails for one is nothing to the others. */
  private async announce(tenantId: string): Promise<void> {
    try {
      while (!this.task.isStopping && (await this.announceSome(tenantId)) === ALERTS_PER_COMMIT);
    } catch (error) {
      this.logger.warn({ err: error, event: FAILURE, tenantId }, FAILURE)
    }
  }

  private announceSome(tenantId: string): Promise<number> {
    return this.database.workers.transaction({ tenantId }, async (tx) => {
      const alerts = await this.alerts.announce(tenantId, ALERTS_PER_COMMIT, tx)
      for (const alert of alerts) await this.events.emit(toEvent(tenantId, alert), tx)
      return alerts.length
    })
  }
}

function toEvent(tenantId: string, { kind, percent, ...facts }: BudgetAlert): BudgetThresholdReached | BudgetExceeded {
  return kind === 'exceeded'
    ? new BudgetExceeded(tenantId, facts)
    : new BudgetThresholdReached(tenantId, facts, percent)
}
