import type { ProjectRecord } from './project.js'
import type { Project, ProjectSummary } from './projects.schemas.js'

/** A project as lists read it. */
export type ProjectSummaryRow = Omit<ProjectRecord, 'tenantId' | 'description'>

export function toSummary(row: ProjectSummaryRow): ProjectSummary {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    status: row.archivedAt === null ? 'active' : 'archived',
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    archivedAt: row.archivedAt?.toISOString() ?? null,
  }
}

export function toProject(project: ProjectRecord): Project {
  return { ...toSummary(project), description: project.description }
}
