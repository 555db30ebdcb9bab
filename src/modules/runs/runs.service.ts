import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { isUnavailable } from '#platform/database/database-error.js'
import type { Principal } from '#platform/http/principal.js'
import type { RunEnding } from './engine/run-ending.js'
import type { RunWatch } from './engine/run-watch.js'
import { RunWaiters } from './engine/run-waiters.service.js'
import { RunCreator } from './run-creator.service.js'
import { RunPlanner } from './run-planner.service.js'
import { isFinished } from './run-status.js'
import { toCreatedRow, toEndedRow, toRun } from './run-view.js'
import { RunsRepository } from './runs.repository.js'
import type { Run, StartRunCommand } from './runs.schemas.js'

const MS_PER_SECOND = 1000

/** A run, and whether it is one that an earlier attempt of the same request has started. */
interface StartedRun {
  readonly runId: string
  readonly isReplayed: boolean
}

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
   * @throws AppError `not_found`, `validation_failed`, `project_archived`, `budget_exceeded`, `idempotency_in_flight`; a run that fails is no error here
   */
  async start(principal: Principal, slug: string, command: StartRunCommand, waitSeconds: number): Promise<Run> {
    const waitMs = waitSeconds * MS_PER_SECOND
    const { earlierRunId } = this.creator
    if (earlierRunId !== undefined) {
      using watch = this.waiters.watch(earlierRunId, waitMs)
      const current = await this.get(principal, earlierRunId)
      return isOver(current) ? current : await this.follow(principal, earlierRunId, watch)
    }
    const run = await this.planner.plan(principal, slug, command)
    using watch = this.waiters.watch(run.id, waitMs)
    await this.creator.create(run, command.project)
    // An end that came about here need not be read again.
    const toEnded = (ending: RunEnding) => toRun(toEndedRow(run, command.project ?? null, ending))
    try {
      return await this.follow(principal, run.id, watch, toEnded)
    } catch (error) {
      // It is there, and is worked on: to be told to try again would have it run twice.
      if (!isUnavailable(error)) throw error
      return toRun(toCreatedRow(run, command.project ?? null))
    }
  }

  /**
   * Starts a run and waits for nothing. When an earlier attempt of the same request has started one, it is that.
   * @throws AppError as `start`
   */
  async startOnly(principal: Principal, slug: string, command: StartRunCommand): Promise<StartedRun> {
    const { earlierRunId } = this.creator
    if (earlierRunId !== undefined) return { runId: earlierRunId, isReplayed: true }
    const run = await this.planner.plan(principal, slug, command)
    await this.creator.create(run, command.project)
    return { runId: run.id, isReplayed: false }
  }

  /** @throws AppError `not_found`, the same for another tenant's run as for one that never was */
  async get({ tenantId }: Principal, id: string): Promise<Run> {
    const row = isUuid(id) ? await this.runs.find({ tenantId }, id) : null
    if (!row) throw new AppError('not_found', 'not_found', { detail: 'There is no such run.' })
    const run = toRun(row)
    if (run.status !== 'pending') return run
    return { ...run, queuePosition: await this.runs.findQueuePosition({ tenantId }, id) }
  }

  private async follow(
    principal: Principal,
    id: string,
    watch: RunWatch,
    toEnded?: (ending: RunEnding) => Run,
  ): Promise<Run> {
    while (true) {
      await watch.next()
      if (watch.ending && toEnded) return toEnded(watch.ending)
      const current = await this.get(principal, id)
      if (isOver(current) || watch.isOver) return current
    }
  }
}

/** Whether there is nothing left to wait for. */
export function isOver(run: Run): boolean {
  return isFinished(run.status)
}
