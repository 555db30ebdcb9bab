import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { DelegationsRepository } from './engine/delegations.repository.js'
import { RunBell } from './engine/run-bell.service.js'
import { RunTrees } from './engine/run-trees.service.js'
import type { Run } from './runs.schemas.js'
import { RunsService } from './runs.service.js'

/** Stops runs when somebody asks for it. */
@Injectable()
export class RunCancellation {
  constructor(
    private readonly database: Database,
    private readonly runs: RunsService,
    private readonly trees: RunTrees,
    private readonly delegations: DelegationsRepository,
    private readonly bell: RunBell,
    private readonly clock: Clock,
  ) {}

  /**
   * Stops the run and all that it delegated. What is being worked on ends within a moment: its worker is told.
   * @throws AppError `not_found`, `run_finished`
   */
  async cancel(principal: Principal, runId: string): Promise<Run> {
    const { tenantId } = principal
    const wasStopped = isUuid(runId) && (await this.stop({ tenantId, runId }))
    const run = await this.runs.get(principal, runId)
    if (wasStopped) return run
    throw new AppError('run_finished', 'conflict', { detail: `This run is ${run.status} already.` })
  }

  private stop(run: { tenantId: string; runId: string }): Promise<boolean> {
    return this.database.transaction({ tenantId: run.tenantId }, async (tx) => {
      const wasStopped = await this.trees.cancel(run, this.clock.now(), tx)
      // The agent that had delegated it goes on with what it has.
      if (wasStopped && (await this.delegations.queueParent(run, tx))) await this.bell.ring(tx)
      return wasStopped
    })
  }
}
