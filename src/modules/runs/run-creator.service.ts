import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { ProjectDirectory } from '#modules/projects'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { RUNS_QUEUE, type RunWakeUp } from './engine/run-wake-up.js'
import type { PlannedRun } from './run-planner.service.js'
import { RunsRepository } from './runs.repository.js'

/** Writes a new run down, with its wake-up and the key of the request that asked for it, in one transaction. */
@Injectable()
export class RunCreator {
  constructor(
    private readonly database: Database,
    private readonly runs: RunsRepository,
    private readonly projects: ProjectDirectory,
    private readonly queue: JobQueue,
    private readonly idempotency: Idempotency,
  ) {}

  /** The run that an earlier attempt of this request has created. */
  get earlierRunId(): string | undefined {
    return this.idempotency.boundResource
  }

  /** @throws AppError `validation_failed` for the project, `idempotency_in_flight` */
  async create(run: PlannedRun, project: string | undefined): Promise<void> {
    const { tenantId, id } = run
    await this.database.transaction({ tenantId }, async (tx) => {
      const projectId = await this.findProject(project, tx)
      const wakeUp: RunWakeUp = { tenantId, runId: id }
      await Promise.all([
        this.idempotency.bind(id, tx),
        this.runs.add({ ...run, projectId }, tx),
        this.queue.send(RUNS_QUEUE, wakeUp, tx),
      ])
    })
  }

  private async findProject(slug: string | undefined, tx: Tx): Promise<string | null> {
    if (slug === undefined) return null
    const projectId = await this.projects.findId(slug, tx)
    if (projectId === null) throw invalidField('/project', 'There is no such project.')
    return projectId
  }
}
