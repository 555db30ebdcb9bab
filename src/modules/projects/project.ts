import type { ProjectEntity } from './project.entity.js'

export const PROJECT_STATUSES = ['active', 'archived'] as const
export type ProjectStatus = (typeof PROJECT_STATUSES)[number]

/** A project by its name in URLs. */
export interface ProjectKey {
  readonly tenantId: string
  readonly slug: string
}

/** A project that is not deleted. */
export type ProjectRecord = Omit<ProjectEntity, 'deletedAt'>

/** What keeps a project from being archived or deleted. */
export interface ProjectUse {
  readonly hasActiveRuns: boolean
  readonly hasActiveSchedules: boolean
}
