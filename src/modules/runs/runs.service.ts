import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { ProjectDirectory } from '#modules/projects'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { Principal } from '#platform/http/principal.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { RunWaiters } from './engine/run-waiters.service.js'
import { RUNS_QUEUE, type RunWakeUp } from './engine/run-wake-up.js'
import { RunPlanner } from './run-planner.service.js'
import { isFinished } from './run-status.js'
import { toRun } from './run-view.js'
import { RunsRepository } from './runs.repository.js'
import type { Run, StartRunCommand } from './runs.schemas.js'

const MS_PER_SECOND = 1000

/** Starts runs and waits for them. */
@Injectable()
export class RunsService {
  constructor(
    private readonly database: Database,
    private readonly runs: RunsRepository,
    private readonly planner: RunPlanner,
    private readonly projects: ProjectDirectory,
    private readonly queue: JobQueue,
    private readonly waiters: RunWaiters,
  ) {}

  /**
   * Starts a run and waits for its end, for `waitSeconds` at most; 0 does not wait.
   * @throws AppError `not_found`, `validation_failed`; a run that fails is no error here
   */
  async start(principal: Principal, slug: string, command: StartRunCommand, waitSeconds: number): Promise<Run> {
    const run = this.planner.plan(principal, slug, command)
    const { tenantId, id } = run
    using watch = this.waiters.watch(id, waitSeconds * MS_PER_SECOND)
    await this.database.transaction({ tenantId }, async (tx) => {
      const projectId = await this.findProject(command.project, tx)
      const wakeUp: RunWakeUp = { tenantId, runId: id }
      await Promise.all([this.runs.add({ ...run, projectId }, tx), this.queue.send(RUNS_QUEUE, wakeUp, tx)])
    })
    while (true) {
      await watch.next()
      const current = await this.get(principal, id)
      if (isOver(current) || watch.isOver) return current
    }
  }

  /** @throws AppError `not_found`, the same for another tenant's run as for one that never was */
  async get({ tenantId }: Principal, id: string): Promise<Run> {
    const row = isUuid(id) ? await this.runs.find({ tenantId }, id) : null
    if (!row) throw new AppError('not_found', 'not_found', { detail: 'There is no such run.' })
    return toRun(row)
  }

  private async findProject(slug: string | undefined, tx: Tx): Promise<string | null> {
    if (slug === undefined) return null
    const projectId = await this.projects.findId(slug, tx)
    if (projectId === null) throw invalidField('/project', 'There is no such project.')
    return projectId
  }
}

/** Whether there is nothing left to wait for. */
export function isOver(run: Run): boolean {
  return isFinished(run.status)
}
