import { Injectable } from '@nestjs/common'
import { AppConfig } from '#platform/config/app-config.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { RunEntity } from '../run.entity.js'
import { RunStarted } from '../run.events.js'
import type { RunFacts } from '../run-facts.js'
import type { PlannedRun } from '../run-planner.service.js'
import { RunsRepository } from '../runs.repository.js'
import { JournalRepository } from './journal.repository.js'
import { RunBell } from './run-bell.service.js'
import { RunDispatcher } from './run-dispatcher.job.js'
import { type OpenedRun, openRun, toWorkItem } from './run-opening.js'

/** A run as it was planned, with its project. */
type NewRun = PlannedRun & Pick<RunEntity, 'projectId'>

/**
 * Where a new run goes. While this replica has a free slot and nobody waits, it is claimed by the very statement that creates it,
 * which saves the way through the queue; a crash right after that is a lost lease like any other. Else it is queued.
 */
@Injectable()
export class RunIntake {
  constructor(
    private readonly config: AppConfig,
    private readonly dispatcher: RunDispatcher,
    private readonly runs: RunsRepository,
    private readonly journal: JournalRepository,
    private readonly bell: RunBell,
    private readonly events: EventBus,
  ) {}

  /** Dispose when done: a slot that was not used is given back. */
  reserve(tenantId: string): RunSeat {
    return new RunSeat(this, this.dispatcher, tenantId, this.dispatcher.reserve(tenantId))
  }

  async add(run: RunEntity, opened: OpenedRun | null, tx: Tx): Promise<void> {
    if (!opened) {
      await Promise.all([this.runs.add(run, null, tx), this.bell.ring(tx)])
      return
    }
    const claim = { tenantId: run.tenantId, runId: run.id, fencingNumber: opened.run.fencingNumber }
    await Promise.all([
      this.runs.add(opened.run, this.config.settings.RUN_LEASE_MS, tx),
      this.journal.addSteps(claim, opened.steps, tx),
      this.journal.addEvents(claim, opened.events, tx),
      this.events.emit(new RunStarted(run.tenantId, toFacts(run)), tx),
    ])
  }

  get timeoutSeconds(): number {
    return this.config.settings.RUN_TIMEOUT_SECONDS
  }
}

/** Room for one new run, or a place in the queue. */
export class RunSeat implements Disposable {
  private opened: OpenedRun | null = null

  constructor(
    private readonly intake: RunIntake,
    private readonly dispatcher: RunDispatcher,
    private readonly tenantId: string,
    private hasSlot: boolean,
  ) {}

  /** Asks for all that it writes before it waits for any. */
  async add({ beginsWithModel, rules: _rules, ...run }: NewRun, tx: Tx): Promise<void> {
    this.opened = this.hasSlot ? openRun(run, beginsWithModel, this.intake.timeoutSeconds) : null
    await this.intake.add(run, this.opened, tx)
  }

  /** After the commit. @param admittedTokens of output, that are paid for; null: none */
  start(admittedTokens: number | null): void {
    if (!this.opened) return
    this.hasSlot = false
    this.dispatcher.start({ ...toWorkItem(this.opened), ...(admittedTokens !== null && { admittedTokens }) })
  }

  [Symbol.dispose](): void {
    if (this.hasSlot) this.dispatcher.release(this.tenantId)
  }
}

function toFacts({ id, agent, agentVersion, model, parentRunId, scheduleId }: RunEntity): RunFacts {
  return { runId: id, agent, agentVersion, model, parentRunId, scheduleId }
}
