import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'

/** Whether a project takes what is to begin in it. */
export interface ClaimedProject {
  readonly id: string
  readonly isArchived: boolean
  readonly isDeleted: boolean
}

const CLAIMED =
  'SELECT id, archived_at IS NOT NULL AS "isArchived", deleted_at IS NOT NULL AS "isDeleted" FROM projects'

/** Projects as others refer to them: the tenant's own, by row-level security. */
@Injectable()
export class ProjectClaimsRepository {
  /** The live one. Until `tx` ends nobody archives or deletes it; any number of others can claim it meanwhile. */
  async claim(slug: string, tx: Tx): Promise<ClaimedProject | null> {
    const rows = await tx.query<ClaimedProject>({
      name: 'project_claim',
      text: `${CLAIMED} WHERE slug = $1 AND deleted_at IS NULL FOR KEY SHARE`,
      values: [slug],
    })
    return rows[0] ?? null
  }

  /** The same for one that something refers to already, which may be deleted. */
  async claimReferred(id: string, tx: Tx): Promise<ClaimedProject | null> {
    const rows = await tx.query<ClaimedProject>({
      name: 'project_claim_referred',
      text: `${CLAIMED} WHERE id = $1 FOR KEY SHARE`,
      values: [id],
    })
    return rows[0] ?? null
  }
}
