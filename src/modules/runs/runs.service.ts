import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import type { Principal } from '#platform/http/principal.js'
import type { RunWatch } from './engine/run-watch.js'
import { RunWaiters } from './engine/run-waiters.service.js'
import { RunCreator } from './run-creator.service.js'
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
    private readonly runs: RunsRepository,
    private readonly planner: RunPlanner,
    private readonly creator: RunCreator,
    private readonly waiters: RunWaiters,
  ) {}

  /**
   * Starts a run and waits for its end, for `waitSeconds` at most; 0 does not wait. When an earlier attempt of the same
   * request has started one, waits for that.
   * @throws AppError `not_found`, `validation_failed`, `idempotency_in_flight`; a run that fails is no error here
   */
  async start(principal: Principal, slug: string, command: StartRunCommand, waitSeconds: number): Promise<Run> {
    const waitMs = waitSeconds * MS_PER_SECOND
    const { earlierRunId } = this.creator
    if (earlierRunId !== undefined) {
      using watch = this.waiters.watch(earlierRunId, waitMs)
      const current = await this.get(principal, earlierRunId)
      return isOver(current) ? current : await this.follow(principal, earlierRunId, watch)
    }
    const run = this.planner.plan(principal, slug, command)
    using watch = this.waiters.watch(run.id, waitMs)
    await this.creator.create(run, command.project)
    return await this.follow(principal, run.id, watch)
  }

  /** @throws AppError `not_found`, the same for another tenant's run as for one that never was */
  async get({ tenantId }: Principal, id: string): Promise<Run> {
    const row = isUuid(id) ? await this.runs.find({ tenantId }, id) : null
    if (!row) throw new AppError('not_found', 'not_found', { detail: 'There is no such run.' })
    return toRun(row)
  }

  private async follow(principal: Principal, id: string, watch: RunWatch): Promise<Run> {
    while (true) {
      await watch.next()
      const current = await this.get(principal, id)
      if (isOver(current) || watch.isOver) return current
    }
  }
}

/** Whether there is nothing left to wait for. */
export function isOver(run: Run): boolean {
  return isFinished(run.status)
}
