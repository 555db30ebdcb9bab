import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { ProjectDeleted } from './project.events.js'
import type { ProjectKey } from './project.js'
import { ProjectClosing } from './project-closing.service.js'
import { ProjectsRepository } from './projects.repository.js'

/** Deletes projects. */
@Injectable()
export class ProjectDeletion {
  constructor(
    private readonly database: Database,
    private readonly repository: ProjectsRepository,
    private readonly closing: ProjectClosing,
    private readonly clock: Clock,
    private readonly events: EventBus,
    private readonly answers: ResponseCache,
  ) {}

  /** Its runs and costs stay, and its slug is free. @throws AppError `not_found`, `project_in_use` */
  async delete(key: ProjectKey): Promise<void> {
    const { tenantId } = key
    await this.database.transaction({ tenantId }, async (tx) => {
      const project = await this.closing.hold(key, tx)
      await this.repository.delete(project, this.clock.now(), tx)
      await this.events.emit(new ProjectDeleted(project), tx)
    })
    await this.answers.invalidate([tenantId], [FIGURES_TAG])
  }
}
