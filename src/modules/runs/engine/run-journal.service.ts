import { setTimeout as sleep } from 'node:timers/promises'
import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { CostLedger } from '#modules/costs'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { isUnavailable } from '#platform/database/database-error.js'
import { GroupCommit } from '#platform/database/group-commit.js'
import type { Tx } from '#platform/database/tx.js'
import { RunFeed } from '../streaming/run-feed.service.js'
import { type EventRow, isClaimLost, JournalRepository, type RunChange, type RunEnd } from './journal.repository.js'
import type { KeptAnswerWrite, PricedUse, Step, StepEnd, Telling } from './journal.js'
import { joinEnds } from './join-ends.js'
import { LeaseEnded } from './lease-ended.js'
import type { RunTotals } from './claimed-run.js'
import { RunBell } from './run-bell.service.js'
import type { RunSession } from './run-session.js'
import { sumOf } from './usage.js'

const RETRY_MS = 100
const MAX_RETRY_MS = 2000

/** What one write holds: steps that begin, steps that end, what is told of it, and what else belongs into the same commit. */
export interface JournalEntry {
  readonly begin?: readonly Step[]
  readonly end?: readonly StepEnd[]
  readonly tell?: readonly Telling[]
  /** Before the run's own row is locked: rows that others lock before it. */
  readonly before?: (tx: Tx) => Promise<void>
  /** Rows that nobody else waits for, asked for before it waits for any: the commit may be one flight, shared with other runs. */
  readonly alongside?: (tx: Tx) => Promise<unknown>
  /** Answers of the LLM cache that took the place of calls. */
  readonly hits?: readonly KeptAnswerWrite[]
  /** The answer of a call that has proved to be good, for the LLM cache. */
  readonly keep?: KeptAnswerWrite | null
  /** Once the rest is written: rows that others lock, too, or that depend on what was found. */
  readonly also?: (tx: Tx) => Promise<unknown>
}

/** How the run stands after the write. */
type After = { readonly park: 'person' | 'children' } | { readonly finish: RunEnd } | null

/**
 * Writes runs down: result, usage, cost and events of a step in one commit, guarded by the claim. Waits for a database that is
 * away, for as long as the run is ours: what a model has answered has been paid for.
 */
@Injectable()
export class RunJournal {
  private readonly leaseMs: number
  private readonly commits = new GroupCommit<Work>({
    commit: (tenantId, works) =>
      this.database.workers.flight({ tenantId }, async (tx) => {
        await Promise.all([this.issueAll(works, tx), this.issueKept(works, tx)])
      }),
  })

  constructor(
    config: AppConfig,
    private readonly database: Database,
    private readonly journal: JournalRepository,
    private readonly costs: CostLedger,
    private readonly feed: RunFeed,
    private readonly bell: RunBell,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    this.leaseMs = config.settings.RUN_LEASE_MS
    logger.setContext(RunJournal.name)
  }

  /** @throws LeaseEnded when the run is not ours any more, and nothing was written; `signal`'s reason once that aborts */
  write(session: RunSession, entry: JournalEntry, signal: AbortSignal): Promise<void> {
    return this.enqueue(session, entry, null, signal)
  }

  /** The run lets go of its worker, for a person or for its children, until what it waits for has come about. */
  park(session: RunSession, entry: JournalEntry, waitsFor: 'person' | 'children', signal: AbortSignal): Promise<void> {
    return this.enqueue(session, entry, { park: waitsFor }, signal)
  }

  /** The run ends. */
  finish(session: RunSession, entry: JournalEntry, end: RunEnd, signal: AbortSignal): Promise<void> {
    return this.enqueue(session, entry, { finish: end }, signal)
  }

  /** What a kept answer has saved the run; for the transaction of a write. */
  bookSaving({ run }: RunSession, of: { model: string; savedUsd: string | null }, tx: Tx): Promise<void> {
    const { tenantId, projectId, agent, userId, apiKeyId } = run
    return this.costs.bookSaving({ tenantId, projectId, agent, userId, apiKeyId, ...of }, tx)
  }

  /** What belongs to the session is put down at once, so that the next move sees it; the write follows in its turn. */
  private enqueue(session: RunSession, entry: JournalEntry, after: After, signal: AbortSignal): Promise<void> {
    const { begin = [] } = entry
    const now = this.clock.now()
    const deferred = session.takeDeferred()
    const end = joinEnds([...deferred.end, ...(entry.end ?? [])])
    const tell = [...deferred.tell, ...(entry.tell ?? [])]
    const hits = [...deferred.hits, ...(entry.hits ?? [])]
    const isNew = ({ position }: Step): boolean => !session.steps.some((step) => step.position === position)
    const newSteps = begin.filter(isNew).length
    session.apply(begin, end)
    const isLast = after !== null && 'finish' in after
    const told = session.tell(tell, now, isLast)
    const ownEvent = told.at(-1)?.sequence ?? (end.length > 0 ? session.skip(now) : session.storedEvent)
    return session.exclusively(async () => {
      const rows = session.takeRows(ownEvent)
      const to = Math.max(session.storedEvent, ownEvent, rows.at(-1)?.sequence ?? 0)
      const whole = { ...entry, begin, end, hits }
      const work: Work = { session, entry: whole, after, rows, to, newSteps, now, totals: null }
      try {
        await this.commit(work, signal)
      } catch (error) {
        // What was used and told before is no less true: the write that follows, if one does, takes it along.
        session.putBack(isLast ? rows.slice(0, -1) : rows)
        session.defer({ end, hits })
        throw error
      }
      session.totals = work.totals ?? session.totals
      session.stored(to, now)
      if (isLast) session.announce(told, after.finish)
    })
  }

  private async commit(work: Work, signal: AbortSignal): Promise<void> {
    const { session } = work
    let isDoubtful = false
    for (let delayMs = RETRY_MS; ; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        const { tenantId } = session.run
        if (isShareable(work)) return await this.commits.add(tenantId, work)
        return await this.database.workers.transaction({ tenantId }, (tx) => this.apply(work, tx))
      } catch (error) {
        const isLost = isClaimLost(error)
        if (isLost && !isDoubtful) throw new LeaseEnded('lost')
        if (!isLost && !isUnavailable(error)) throw error
        isDoubtful = true
        // A claim that is lost may be lost to a try of ours that was still committing, unheard, when this one began.
        if (await this.hasCommitted(work, error, delayMs, signal)) return
        if (isLost) throw new LeaseEnded('lost')
      }
    }
  }

  /** A commit whose answer was lost may have happened all the same: asks until the database answers. */
  private async hasCommitted(
    work: Work,
    failure: unknown,
    firstDelayMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { session, to } = work
    let error = failure
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      if (signal.aborted && signal.reason instanceof LeaseEnded) throw signal.reason
      this.logger.warn({ err: error, event: 'journal_retried', runId: session.run.runId }, 'journal_retried')
      await sleep(delayMs)
      // Nothing of it can be told twice, nor be paid twice.
      if (to === session.storedEvent) return false
      try {
        work.totals = await this.journal.findAdvanced(session.run, to)
        return work.totals !== null
      } catch (thrown) {
        if (!isUnavailable(thrown)) throw thrown
        error = thrown
      }
    }
  }

  private async apply(work: Work, tx: Tx): Promise<void> {
    const { entry, after, now } = work
    const { run } = work.session
    // All on the wire in as few flights as can be; none needs another's result.
    await Promise.all([entry.before?.(tx), this.issueAll([work], tx)])
    await entry.also?.(tx)
    await this.issueKept([work], tx)
    if (after && 'park' in after && (await this.journal.park(run, after.park === 'person', now, tx))) {
      await this.bell.ring(tx)
    }
  }

  /** Whoever writes several runs takes them in the order of their ids. */
  private async issueAll(works: readonly Work[], tx: Tx): Promise<void> {
    const inOrder = works.toSorted((a, b) => (a.session.run.runId < b.session.run.runId ? -1 : 1))
    const told = inOrder.filter(({ rows }) => rows.length > 0).map(({ session }) => session.run.runId)
    await Promise.all([...inOrder.map((work) => this.issue(work, tx)), this.feed.announce(told, tx)])
  }

  /** Last of all, since runs that have nothing else in common lock the same answers: in the order of their keys. */
  private async issueKept(works: readonly Work[], tx: Tx): Promise<void> {
    const kept = works.flatMap(({ entry }) => [...entry.hits, ...(entry.keep ? [entry.keep] : [])])
    const inOrder = kept.toSorted((a, b) => Buffer.compare(a.keyHash, b.keyHash))
    await Promise.all(inOrder.map(({ write }) => write(tx)))
  }

  private async issue(work: Work, tx: Tx): Promise<void> {
    const { session, entry, after, rows, to, newSteps, now } = work
    const { run } = session
    const uses = entry.end.flatMap((end) => end.uses.map((use) => ({ use, step: end.position })))
    const usage = sumOf(entry.end.map((end) => end.usage))
    const change: RunChange = {
      lastEvent: { from: session.storedEvent, to },
      usage,
      steps: newSteps,
      cache: session.cache,
      leaseMs: this.leaseMs,
    }
    const finish = after && 'finish' in after ? after.finish : null
    const [, totals] = await Promise.all([
      run.parentRunId !== null && this.journal.lockAncestors(run, tx),
      finish ? this.journal.finish(run, change, finish, tx) : this.journal.advance(run, change, tx),
      run.parentRunId !== null && this.journal.addToAncestors(run, usage, newSteps, tx),
      this.journal.addSteps(run, entry.begin, tx),
      this.journal.endSteps(run, entry.end, now, tx),
      this.journal.addEvents(run, rows, tx),
      ...uses.map(({ use, step }) => this.book(session, use, step, tx)),
      entry.alongside?.(tx),
    ])
    work.totals = totals
  }

  private async book({ run }: RunSession, use: PricedUse, step: number, tx: Tx): Promise<void> {
    const { tenantId, runId, projectId, agent, userId, apiKeyId } = run
    const { model, isEstimated, price, costUsd, usage: tokens } = use
    await this.costs.book(
      { tenantId, runId, projectId, agent, userId, apiKeyId, model, step, isEstimated, price, costUsd, tokens },
      tx,
    )
  }
}

/** Whether the write locks no row but the run's own, and needs to know nothing of what it finds. */
function isShareable({ session, entry, after }: Work): boolean {
  const isParked = after !== null && 'park' in after
  return !isParked && session.run.parentRunId === null && !entry.before && !entry.also
}

interface Work {
  readonly session: RunSession
  readonly entry: JournalEntry & Required<Pick<JournalEntry, 'begin' | 'end' | 'hits'>>
  readonly after: After
  readonly rows: readonly EventRow[]
  /** Number of the latest event once this is stored. */
  readonly to: number
  readonly newSteps: number
  readonly now: Date
  /** What the run has come to with this, as its row has it; to be believed once it is committed. */
  totals: RunTotals | null
}
