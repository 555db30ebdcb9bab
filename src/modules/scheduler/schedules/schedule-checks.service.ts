import { Injectable } from '@nestjs/common'
import { AppError, type FieldError } from '#kernel/app-error.js'
import { ProjectDirectory } from '#modules/projects'
import { RunOrders, type RunRequester } from '#modules/runs'
import { AppConfig } from '#platform/config/app-config.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunWords } from './schedule-settings.js'
import { SchedulesRepository } from './schedules.repository.js'

/** What of a run has a field of its own in a schedule; the rest is in `input`. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['/task', '/project'])

/** A project that a command names: null for none, undefined where it does not say. */
interface NamedProject {
  readonly id: string | null | undefined
  readonly problems: readonly FieldError[]
}

/** Finds out whether a schedule could do what it is to do. */
@Injectable()
export class ScheduleChecks {
  constructor(
    private readonly config: AppConfig,
    private readonly orders: RunOrders,
    private readonly projects: ProjectDirectory,
    private readonly repository: SchedulesRepository,
  ) {}

  /** Why no run of it could be made now. Outside of transactions. */
  async findRunProblems(requester: RunRequester, { agent, task, input }: RunWords): Promise<readonly FieldError[]> {
    try {
      await this.orders.plan(requester, agent, { ...input, task })
      return []
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.kind === 'not_found') return [{ pointer: '/agent', detail: 'There is no such agent.' }]
      if (error.kind !== 'invalid' || !error.errors) throw error
      return error.errors.map(({ pointer, detail }) => ({ pointer: toOwnPointer(pointer), detail }))
    }
  }

  /** Until `tx` ends nobody archives or deletes it. @throws AppError `project_archived` */
  async claimProject(slug: string | null | undefined, tx: Tx): Promise<NamedProject> {
    if (typeof slug !== 'string') return { id: slug, problems: [] }
    const id = await this.projects.claim(slug, tx)
    return { id, problems: id === null ? [{ pointer: '/project', detail: 'There is no such project.' }] : [] }
  }

  /** The same for the project that a schedule belongs to. @throws AppError `project_archived`, `project_deleted` */
  async claimAgain(projectId: string | null, tx: Tx): Promise<void> {
    if (projectId !== null) await this.projects.claimAgain(projectId, tx)
  }

  /** Until `tx` ends nobody else adds one. @throws AppError `validation_failed` */
  async assertRoom(tenantId: string, tx: Tx): Promise<void> {
    const { SCHEDULES_MAX: max } = this.config.settings
    if ((await this.repository.countForAdding(tenantId, tx)) < max) return
    const detail = `A tenant has at most ${max} schedules: delete one that is not used.`
    throw new AppError('validation_failed', 'invalid', { detail, errors: [{ pointer: '', detail }] })
  }
}

function toOwnPointer(pointer: string): string {
  return OWN_FIELDS.has(pointer) ? pointer : `/input${pointer}`
}
