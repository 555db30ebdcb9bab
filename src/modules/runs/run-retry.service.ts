import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { projectDeleted } from '#modules/projects'
import type { Principal } from '#platform/http/principal.js'
import { isFinished } from './run-status.js'
import { RunsRepository } from './runs.repository.js'
import type { Run, StartRunCommand } from './runs.schemas.js'
import { RunsService } from './runs.service.js'

/** Starts finished runs anew. */
@Injectable()
export class RunRetry {
  constructor(
    private readonly rows: RunsRepository,
    private readonly runs: RunsService,
  ) {}

  /**
   * A new run of the same command, by who asks, on the agent's version of today.
   * @throws AppError `not_found`, `run_not_finished`, `project_deleted`, and whatever starting a run throws
   */
  async retry(principal: Principal, runId: string): Promise<Run> {
    const row = isUuid(runId) ? await this.rows.findCommand({ tenantId: principal.tenantId }, runId) : null
    if (!row) throw new AppError('not_found', 'not_found', { detail: 'There is no such run.' })
    if (!isFinished(row.status)) {
      throw new AppError('run_not_finished', 'conflict', {
        detail: `This run is ${row.status}: it has an end to come.`,
      })
    }
    // Another project may have its slug by now.
    if (row.is_project_deleted) throw projectDeleted()
    const { outputSchema, limits, cache, startApproval } = row.input
    const command: StartRunCommand = {
      task: row.task,
      model: row.model,
      metadata: row.metadata,
      ...(row.context !== null && { context: row.context }),
      ...(row.project !== null && { project: row.project }),
      ...(outputSchema && { outputSchema }),
      ...(limits && { limits }),
      ...(cache && { cache }),
      ...(startApproval === 'run' && { requireApproval: true }),
    }
    return this.runs.start(principal, row.agent, command, 0)
  }
}
