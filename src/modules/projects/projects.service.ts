import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { ProjectKey } from './project.js'
import { toProject, toSummary } from './project-view.js'
import { noSuchProject } from './projects.errors.js'
import { ProjectsRepository } from './projects.repository.js'
import type { Project, ProjectFilter, ProjectListQuery, ProjectSummary } from './projects.schemas.js'

/** A tenant's projects, for those who look at them. */
@Injectable()
export class Projects {
  constructor(private readonly repository: ProjectsRepository) {}

  /** Newest first, and stable while projects are added: ids grow with time. */
  async list(tenantId: string, { limit, cursor, status }: ProjectListQuery): Promise<Page<ProjectSummary>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.repository.list(tenantId, status, { after, limit: limit + 1 })
    return toPage(rows.map(toSummary), limit, ({ id }) => id)
  }

  count(tenantId: string, { status }: ProjectFilter): Promise<number> {
    return this.repository.count(tenantId, status)
  }

  /** @throws AppError `not_found` */
  async get(key: ProjectKey): Promise<Project> {
    const project = await this.repository.read(key)
    if (!project) throw noSuchProject()
    return toProject(project)
  }
}
