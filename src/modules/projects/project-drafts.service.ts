import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import type { Tx } from '#platform/database/tx.js'
import type { ProjectRecord } from './project.js'
import { slugFrom, slugVariants } from './project-slug.js'
import { slugTaken } from './projects.errors.js'
import { ProjectsRepository } from './projects.repository.js'
import type { ChangeProjectCommand, CreateProjectCommand } from './projects.schemas.js'

/** Variants of a slug that are looked for at first; ten times as many each time that all are taken. */
const VARIANTS_AT_FIRST = 10

/** Decides what a project's row will be, and writes nothing. */
@Injectable()
export class ProjectDrafts {
  constructor(
    private readonly config: AppConfig,
    private readonly clock: Clock,
    private readonly repository: ProjectsRepository,
  ) {}

  /** Until `tx` ends nobody else adds one. @throws AppError `slug_taken`; `validation_failed` for one more than a tenant may have */
  async create(tenantId: string, command: CreateProjectCommand, tx: Tx): Promise<ProjectRecord> {
    const { name, description = null } = command
    this.assertRoom(await this.repository.countForAdding(tenantId, tx))
    const slug = await this.chooseSlug(tenantId, command, tx)
    const now = this.clock.now()
    return {
      tenantId,
      id: newId(),
      slug,
      name,
      description,
      createdAt: now,
      updatedAt: now,
      archivedAt: null,
    }
  }

  /** Null when nothing changes. */
  change(before: ProjectRecord, command: ChangeProjectCommand): ProjectRecord | null {
    const now = this.clock.now()
    const isArchived = before.archivedAt !== null
    const { name = before.name, archived = isArchived } = command
    const description = command.description === undefined ? before.description : command.description
    if (name === before.name && description === before.description && archived === isArchived) return null
    const archivedAt = archived ? (before.archivedAt ?? now) : null
    return { ...before, name, description, archivedAt, updatedAt: now }
  }

  private assertRoom(count: number): void {
    const { PROJECTS_MAX: max } = this.config.settings
    if (count < max) return
    const detail = `A tenant has at most ${max} projects: delete one that is not used.`
    throw new AppError('validation_failed', 'invalid', { detail, errors: [{ pointer: '', detail }] })
  }

  private async chooseSlug(tenantId: string, { slug, name }: CreateProjectCommand, tx: Tx): Promise<string> {
    if (slug === undefined) return this.findFreeSlug(tenantId, slugFrom(name), tx)
    const taken = await this.repository.filterTaken(tenantId, [slug], tx)
    if (taken.has(slug)) throw slugTaken()
    return slug
  }

  /** Ends: there are no more projects than PROJECTS_MAX, and soon more variants than that. */
  private async findFreeSlug(tenantId: string, slug: string, tx: Tx): Promise<string> {
    for (let first = 1, count = VARIANTS_AT_FIRST; ; first += count, count *= 10) {
      const variants = slugVariants(slug, { first, count })
      const taken = await this.repository.filterTaken(tenantId, variants, tx)
      const free = variants.find((variant) => !taken.has(variant))
      if (free !== undefined) return free
    }
  }
}
