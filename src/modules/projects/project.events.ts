import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { ProjectRecord } from './project.js'

abstract class ProjectEvent extends AuditedEvent {
  readonly tenantId: string
  readonly projectId: string
  readonly slug: string
  abstract override readonly audit: AuditFacts

  constructor({ tenantId, id, slug }: ProjectRecord) {
    super()
    this.tenantId = tenantId
    this.projectId = id
    this.slug = slug
  }

  protected get resource(): AuditFacts['resource'] {
    return { type: 'project', id: this.projectId }
  }
}

export class ProjectCreated extends ProjectEvent {
  override readonly type = 'project.created'
  readonly audit: AuditFacts

  constructor(project: ProjectRecord) {
    super(project)
    this.audit = { action: 'project_created', resource: this.resource, after: factsOf(project) }
  }
}

/** Also: it was archived, or is not any more. */
export class ProjectUpdated extends ProjectEvent {
  override readonly type = 'project.updated'
  readonly audit: AuditFacts

  constructor(before: ProjectRecord, after: ProjectRecord) {
    super(after)
    this.audit = {
      action: 'project_updated',
      resource: this.resource,
      before: factsOf(before),
      after: factsOf(after),
    }
  }
}

/** Nothing in it is active, and nothing can begin in it any more. Its runs and costs stay. */
export class ProjectDeleted extends ProjectEvent {
  override readonly type = 'project.deleted'
  readonly audit: AuditFacts

  constructor(project: ProjectRecord) {
    super(project)
    this.audit = { action: 'project_deleted', resource: this.resource, before: factsOf(project) }
  }
}

function factsOf({ slug, name, description, archivedAt }: ProjectRecord) {
  return { slug, name, description, archived: archivedAt !== null }
}
