import { Module } from '@nestjs/common'
import { AuthModule } from '#modules/auth'
import { ApprovalDecisions } from './approval-decisions.service.js'
import { ApprovalExpiry } from './approval-expiry.job.js'
import { ApprovalQueries } from './approval-queries.service.js'
import { ApprovalsController } from './approvals.controller.js'
import { ApprovalsRepository } from './approvals.repository.js'
import { Approvals } from './approvals.service.js'
import { ApprovalPoliciesController } from './policies/approval-policies.controller.js'
import { ApprovalPoliciesRepository } from './policies/approval-policies.repository.js'
import { ApprovalPolicies } from './policies/approval-policies.service.js'

@Module({
  imports: [AuthModule],
  // The policy first: its path would be an id to the other.
  controllers: [ApprovalPoliciesController, ApprovalsController],
  providers: [
    Approvals,
    ApprovalDecisions,
    ApprovalExpiry,
    ApprovalQueries,
    ApprovalsRepository,
    ApprovalPolicies,
    ApprovalPoliciesRepository,
  ],
  exports: [Approvals],
})
export class ApprovalsModule {}
