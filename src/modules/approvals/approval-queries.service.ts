import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { toApproval, toApprovalSummary } from './approval-view.js'
import { ApprovalsRepository } from './approvals.repository.js'
import type { Approval, ApprovalListQuery, ApprovalSummary } from './approvals.schemas.js'

/** Shows approvals. */
@Injectable()
export class ApprovalQueries {
  constructor(private readonly approvals: ApprovalsRepository) {}

  /** Newest first, and stable while approvals are added: ids grow with time. */
  async list({ tenantId }: Principal, { limit, cursor, ...filter }: ApprovalListQuery): Promise<Page<ApprovalSummary>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.approvals.list(tenantId, filter, { after, limit: limit + 1 })
    return toPage(rows.map(toApprovalSummary), limit, ({ id }) => id)
  }

  /** @throws AppError `not_found`, the same for another tenant's */
  async get({ tenantId }: Principal, id: string): Promise<Approval> {
    const row = isUuid(id) ? await this.approvals.read({ tenantId, id }) : null
    if (!row) throw noSuchApproval()
    return toApproval(row)
  }
}

export function noSuchApproval(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such approval.' })
}
