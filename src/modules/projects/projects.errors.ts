import { AppError } from '#kernel/app-error.js'
import type { ProjectUse } from './project.js'

/** The same for another tenant's, for one that is deleted, and for one that never was. */
export function noSuchProject(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such project.' })
}

export function slugTaken(): AppError {
  return new AppError('slug_taken', 'conflict', { detail: 'There is a project of this slug already: choose another.' })
}

export function projectInUse({ hasActiveRuns, hasActiveSchedules }: ProjectUse): AppError {
  const what = [hasActiveRuns ? 'runs' : [], hasActiveSchedules ? 'schedules' : []].flat().join(' and ')
  return new AppError('project_in_use', 'conflict', {
    detail: `It has active ${what}: wait for their end, or cancel runs and pause or delete schedules.`,
  })
}

export function projectArchived(): AppError {
  return new AppError('project_archived', 'conflict', {
    detail: 'This project is archived and takes no new runs or schedules: unarchive it first.',
  })
}

/** For what belonged to it. */
export function projectDeleted(): AppError {
  return new AppError('project_deleted', 'conflict', {
    detail: 'The project that this belonged to is deleted: name another.',
  })
}
