import { isDeepStrictEqual } from 'node:util'
import { Injectable } from '@nestjs/common'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { ApprovalPolicyChanged } from './approval-policies.events.js'
import { ApprovalPoliciesRepository } from './approval-policies.repository.js'
import type { ApprovalPolicy } from './approval-policies.schemas.js'

/** What a tenant says of its approvals; the settings speak for one that says nothing. A change holds for approvals to come. */
@Injectable()
export class ApprovalPolicies {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly policies: ApprovalPoliciesRepository,
    private readonly events: EventBus,
  ) {}

  async get({ tenantId }: Principal): Promise<ApprovalPolicy> {
    return this.database.transaction({ tenantId }, (tx) => this.of(tenantId, tx))
  }

  /** In the scope of the tenant. */
  async of(tenantId: string, tx: Tx): Promise<ApprovalPolicy> {
    return (await this.policies.find(tenantId, tx)) ?? this.ofServer()
  }

  async replace({ tenantId }: Principal, policy: ApprovalPolicy): Promise<ApprovalPolicy> {
    await this.database.transaction({ tenantId }, async (tx) => {
      const before = await this.policies.lock(tenantId, this.ofServer(), tx)
      if (isDeepStrictEqual(before, policy)) return
      await this.policies.update(tenantId, policy, tx)
      await this.events.emit(new ApprovalPolicyChanged(tenantId, { before, after: policy }), tx)
    })
    return policy
  }

  private ofServer(): ApprovalPolicy {
    const { settings } = this.config
    return {
      requesterMayDecide: settings.APPROVAL_REQUESTER_MAY_DECIDE,
      expiresAfterSeconds: settings.APPROVAL_EXPIRES_AFTER_SECONDS,
      defaultDecision: settings.APPROVAL_DEFAULT_DECISION,
    }
  }
}
