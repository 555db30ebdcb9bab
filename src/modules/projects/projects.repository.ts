import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { ProjectEntity } from './project.entity.js'

@Injectable()
export class ProjectsRepository {
  /** The tenant's project of that slug; null when there is none. */
  findBySlug(slug: string, tx: Tx): Promise<ProjectEntity | null> {
    return tx.entities.findOneBy(ProjectEntity, { slug })
  }
}
