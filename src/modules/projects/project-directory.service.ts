import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { ProjectsRepository } from './projects.repository.js'

/** Finds projects for the modules whose rows belong to one. */
@Injectable()
export class ProjectDirectory {
  constructor(private readonly projects: ProjectsRepository) {}

  /** The id of the tenant's project of that slug; null when there is none. */
  async findId(slug: string, tx: Tx): Promise<string | null> {
    return (await this.projects.findBySlug(slug, tx))?.id ?? null
  }
}
