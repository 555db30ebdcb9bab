import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { SchedulePolicyChanged } from './schedule-policies.events.js'
import { SchedulePoliciesRepository } from './schedule-policies.repository.js'
import type { SchedulePolicy } from './schedule-policies.schemas.js'

/**
 * How often a tenant's schedules may be due: as the setting says, or less often where the tenant says so. A change holds for
 * schedules that are made or given other times from then on.
 */
@Injectable()
export class SchedulePolicies {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly policies: SchedulePoliciesRepository,
    private readonly events: EventBus,
  ) {}

  async get({ tenantId }: Principal): Promise<SchedulePolicy> {
    return this.database.transaction({ tenantId }, (tx) => this.of(tenantId, tx))
  }

  /** What holds. In the scope of the tenant. */
  async of(tenantId: string, tx: Tx): Promise<SchedulePolicy> {
    const said = await this.policies.find(tenantId, tx)
    // The setting can have been raised since.
    return { minIntervalSeconds: Math.max(said?.minIntervalSeconds ?? 0, this.serverMinimum) }
  }

  /** @throws AppError `validation_failed` for less than the server allows */
  async replace({ tenantId }: Principal, policy: SchedulePolicy): Promise<SchedulePolicy> {
    const minimum = this.serverMinimum
    if (policy.minIntervalSeconds < minimum) {
      throw invalidField('/minIntervalSeconds', `must be at least ${minimum}, the minimum of this server`)
    }
    await this.database.transaction({ tenantId }, async (tx) => {
      const before = await this.policies.lock(tenantId, { minIntervalSeconds: minimum }, tx)
      if (before.minIntervalSeconds === policy.minIntervalSeconds) return
      await this.policies.update(tenantId, policy, tx)
      await this.events.emit(new SchedulePolicyChanged(tenantId, { before, after: policy }), tx)
    })
    return policy
  }

  private get serverMinimum(): number {
    return this.config.settings.SCHEDULE_MIN_INTERVAL_SECONDS
  }
}
