import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { ProjectKey, ProjectRecord } from './project.js'
import { ProjectUseReadModel } from './project-use.read-model.js'
import { noSuchProject, projectInUse } from './projects.errors.js'
import { ProjectsRepository } from './projects.repository.js'

/** Makes sure that nothing is active in a project which is to be archived or deleted. */
@Injectable()
export class ProjectClosing {
  constructor(
    private readonly repository: ProjectsRepository,
    private readonly use: ProjectUseReadModel,
  ) {}

  /**
   * The project, in which nothing is active, and nothing begins until `tx` ends.
   * @throws AppError `not_found`, `project_in_use`
   */
  async hold(key: ProjectKey, tx: Tx): Promise<ProjectRecord> {
    // Who begins something goes past who waits for this lock: while much goes on in it, the wait would be long, and in vain.
    await this.getIdle(await this.repository.find(key, tx), tx)
    // Again with the lock in hand: those who were about to begin have begun.
    return this.getIdle(await this.repository.findForClosing(key, tx), tx)
  }

  private async getIdle(project: ProjectRecord | null, tx: Tx): Promise<ProjectRecord> {
    if (!project) throw noSuchProject()
    const use = await this.use.find(project, tx)
    if (use.hasActiveRuns || use.hasActiveSchedules) throw projectInUse(use)
    return project
  }
}
