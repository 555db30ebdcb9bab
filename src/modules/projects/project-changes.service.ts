import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { ProjectUpdated } from './project.events.js'
import type { ProjectKey, ProjectRecord } from './project.js'
import { ProjectClosing } from './project-closing.service.js'
import { ProjectDrafts } from './project-drafts.service.js'
import { toProject } from './project-view.js'
import { noSuchProject } from './projects.errors.js'
import { ProjectsRepository } from './projects.repository.js'
import type { ChangeProjectCommand, Project } from './projects.schemas.js'

/** Changes projects, archives them and takes them out of the archive. */
@Injectable()
export class ProjectChanges {
  constructor(
    private readonly database: Database,
    private readonly repository: ProjectsRepository,
    private readonly closing: ProjectClosing,
    private readonly drafts: ProjectDrafts,
    private readonly events: EventBus,
    private readonly answers: ResponseCache,
  ) {}

  /** @throws AppError `not_found`; `project_in_use` for one that is to be archived */
  async change(key: ProjectKey, command: ChangeProjectCommand): Promise<Project> {
    const { tenantId } = key
    const project = await this.database.transaction({ tenantId }, async (tx) => {
      const before = command.archived ? await this.closing.hold(key, tx) : await this.getForChange(key, tx)
      const after = this.drafts.change(before, command)
      if (!after) return toProject(before)
      await this.repository.update(after, tx)
      await this.events.emit(new ProjectUpdated(before, after), tx)
      return toProject(after)
    })
    await this.answers.invalidate([tenantId], [FIGURES_TAG])
    return project
  }

  private async getForChange(key: ProjectKey, tx: Tx): Promise<ProjectRecord> {
    const project = await this.repository.findForChange(key, tx)
    if (!project) throw noSuchProject()
    return project
  }
}
