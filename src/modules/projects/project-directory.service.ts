import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import type { Tx } from '#platform/database/tx.js'
import { ProjectClaimsRepository } from './project-claims.repository.js'
import { projectArchived, projectDeleted } from './projects.errors.js'

/** Finds projects for the modules whose rows belong to one. */
@Injectable()
export class ProjectDirectory {
  constructor(private readonly claims: ProjectClaimsRepository) {}

  /**
   * The id of the tenant's live project of that slug, for what is about to begin in it: until `tx` ends nobody archives or deletes it.
   * Null when there is none. @throws AppError `project_archived`
   */
  async claim(slug: string, tx: Tx): Promise<string | null> {
    const project = await this.claims.claim(slug, tx)
    if (project?.isArchived) throw projectArchived()
    return project?.id ?? null
  }

  /**
   * For what belongs to a project already and is to begin anew: until `tx` ends nobody archives or deletes that.
   * @throws AppError `project_archived`, `project_deleted`
   */
  async claimAgain(projectId: string, tx: Tx): Promise<void> {
    const project = await this.claims.claimReferred(projectId, tx)
    if (!project || project.isDeleted) throw projectDeleted()
    if (project.isArchived) throw projectArchived()
  }

  /** The live project's, by its slug or its id: until `tx` ends nobody deletes it. Null when there is none. */
  async claimAny(slugOrId: string, tx: Tx): Promise<string | null> {
    const known = isUuid(slugOrId) ? await this.claims.claimReferred(slugOrId, tx) : null
    const project = known && !known.isDeleted ? known : await this.claims.claim(slugOrId, tx)
    return project?.id ?? null
  }
}
