import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { ProjectCreated } from './project.events.js'
import { ProjectDrafts } from './project-drafts.service.js'
import { toProject } from './project-view.js'
import { ProjectsRepository } from './projects.repository.js'
import { addressOf, type CreateProjectCommand, type Project } from './projects.schemas.js'

const CREATED = 201

/** Adds projects. */
@Injectable()
export class ProjectCreation {
  constructor(
    private readonly database: Database,
    private readonly repository: ProjectsRepository,
    private readonly drafts: ProjectDrafts,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
    private readonly answers: ResponseCache,
  ) {}

  /** @throws AppError `slug_taken`, `validation_failed` for one more than a tenant may have */
  async create(tenantId: string, command: CreateProjectCommand): Promise<Project> {
    const project = await this.database.transaction({ tenantId }, async (tx) => {
      const draft = await this.drafts.create(tenantId, command, tx)
      await this.repository.add(draft, tx)
      await this.events.emit(new ProjectCreated(draft), tx)
      const created = toProject(draft)
      await this.idempotency.complete({ status: CREATED, body: created, location: addressOf(created) }, tx)
      return created
    })
    await this.answers.invalidate([tenantId], [FIGURES_TAG])
    return project
  }
}
