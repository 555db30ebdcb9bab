import type { ModelDelta } from '#modules/models'
import type { RunEvent } from '../streaming/run-event.js'
import type { ClaimedRun, RunTotals } from './claimed-run.js'
import type { RunEnding } from './run-ending.js'
import type { EventRow, RunEnd } from './journal.repository.js'
import type { KeptAnswerWrite, Step, StepEnd, Telling, Usage } from './journal.js'
import { sumOf } from './usage.js'

/**
 * Most events that a replica tells its own followers before they are stored. Whoever takes the run over after a crash goes on
 * counting above them, so that no number is ever used twice.
 */
export const MAX_UNSTORED_EVENTS = 512
/** Texts are stored at once when there is this much of them. */
const MAX_BUFFERED_CHARACTERS = 2000

/** To this replica's followers; `ending` with the last event. */
export type Publish = (events: readonly RunEvent[], ending?: RunEnding) => void

interface Deferred {
  readonly end: readonly StepEnd[]
  readonly tell: readonly Telling[]
  readonly hits: readonly KeptAnswerWrite[]
}

const NOTHING: Deferred = { end: [], tell: [], hits: [] }

/**
 * A run as the replica that holds it knows it: its journal, and the numbers of its events, which nobody else gives out while
 * the claim lasts. What is told here reaches followers on this replica at once, and the database with the next write.
 */
export class RunSession {
  readonly steps: Step[]
  totals: RunTotals
  cache: 'hit' | 'miss' | 'off'
  /** Number of the latest event in the database. */
  storedEvent: number
  /** Output tokens that were paid for when the run was created here. */
  private admission: number | null
  /** Position of a model call that a lost worker had under way, for as long as nobody has counted it. */
  uncounted: number | null
  private deferred = NOTHING
  private readonly publish: Publish
  private readonly begun: Set<number>
  private sequence: number
  private isTold: boolean
  /** Numbered too far ahead of the stored ones to be told: a successor might use their numbers again. */
  private unheard: RunEvent[] = []
  private rows: EventRow[] = []
  private texts: string[] = []
  private textCharacters = 0
  private textsSince: Date | null = null
  private overflow = ''
  private queue: Promise<unknown> = Promise.resolve()
  private queued = 0

  constructor(
    readonly run: ClaimedRun,
    steps: readonly Step[],
    publish: Publish,
    begun: Iterable<number> = [],
    admittedTokens: number | null = null,
  ) {
    this.admission = admittedTokens
    this.steps = [...steps]
    this.totals = run.totals
    this.cache = run.cache
    this.storedEvent = run.lastEvent
    this.sequence = run.wasLost ? run.lastEvent + MAX_UNSTORED_EVENTS : run.lastEvent
    this.isTold = run.lastEvent > 0
    this.publish = publish
    this.begun = new Set(begun)
    const open = run.wasLost
      ? steps.findLast(({ kind, status }) => kind === 'model' && status === 'running')
      : undefined
    this.uncounted = open && !this.begun.has(open.position) ? open.position : null
  }

  /** Whether the step was begun under this claim: one that was not, and is `running`, was interrupted. */
  isBegun(position: number): boolean {
    return this.begun.has(position)
  }

  /** Whether nothing has been told of it yet. */
  get isNew(): boolean {
    return !this.isTold
  }

  /** What was paid for before the first call; once: a second call has to be paid for, too. */
  takeAdmission(): number | null {
    const { admission } = this
    this.admission = null
    return admission
  }

  /** Whether a call has ended whose use is not written down yet. */
  get hasUnbooked(): boolean {
    return this.deferred.end.some(({ uses }) => uses.length > 0)
  }

  get nextPosition(): number {
    return (this.steps.at(-1)?.position ?? 0) + 1
  }

  /** Whether nothing is being written. */
  get isIdle(): boolean {
    return this.queued === 0
  }

  /** Whether there are texts that can be stored by themselves: not those behind an event that belongs to a write. */
  get hasTexts(): boolean {
    return this.rows[0] ? this.rows[0].type === 'output.delta' : this.texts.length > 0
  }

  /** What has ended already, to be written with whatever comes next: one commit instead of two. */
  defer({ end = [], tell = [], hits = [] }: Partial<Deferred>): void {
    this.apply([], end)
    this.isTold ||= tell.length > 0
    const { deferred } = this
    this.deferred = {
      end: [...deferred.end, ...end],
      tell: [...deferred.tell, ...tell],
      hits: [...deferred.hits, ...hits],
    }
  }

  /** What the run and all that it delegated have used, with what is not written yet. */
  get used(): Usage {
    return sumOf([this.totals, ...this.deferred.end.map(({ usage }) => usage)])
  }

  takeDeferred(): Deferred {
    const { deferred } = this
    this.deferred = NOTHING
    return deferred
  }

  /** One write after the other, in the order in which they were asked for: numbers commit in their order. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.queued += 1
    const result = this.queue.then(work).finally(() => (this.queued -= 1))
    this.queue = result.catch(() => undefined)
    return result
  }

  /** A piece of the answer. @returns whether so much has come together that it should be stored now */
  say({ text, seam }: ModelDelta, now: Date): boolean {
    if (seam) {
      this.drainOverflow(now)
      this.closeTexts()
      const event = this.number({ type: 'output.delta', data: { text, seam } }, now)
      this.rows.push({ ...event, data: { texts: [text], seam } })
      this.hear([event])
      return false
    }
    if (text === '') return false
    if (this.sequence - this.storedEvent >= MAX_UNSTORED_EVENTS) this.overflow += text
    else this.addPiece(text, now)
    return this.textCharacters >= MAX_BUFFERED_CHARACTERS
  }

  /**
   * Numbers what is told, behind all that was said before, and tells it here.
   * @param isLast the run ends with this: its followers hear of it from {@link announce}, once it is stored
   */
  tell(tellings: readonly Telling[], now: Date, isLast = false): readonly RunEvent[] {
    if (tellings.length === 0) return []
    this.drainOverflow(now)
    this.closeTexts()
    const events = tellings.map((telling) => this.number(telling, now))
    this.rows.push(...events)
    this.isTold = true
    if (!isLast) this.hear(events)
    return events
  }

  /** A number of its own for a write that tells nothing, so that it can be known whether it has happened. */
  skip(now: Date): number {
    this.drainOverflow(now)
    this.closeTexts()
    return (this.sequence += 1)
  }

  /**
   * What is not stored yet up to this number, with the texts that follow it. What is told behind them tells of something that
   * belongs to another write. Inside {@link exclusively}: what cannot be stored must be put back before others take.
   */
  takeRows(upTo: number): EventRow[] {
    this.closeTexts()
    const next = this.rows.findIndex(({ sequence, type }) => sequence > upTo && type !== 'output.delta')
    return this.rows.splice(0, next === -1 ? this.rows.length : next)
  }

  /** That the run has ended, once that is stored. */
  announce(events: readonly RunEvent[], { finishedAt, status, output, error }: RunEnd): void {
    const { totals, cache } = this
    const { startedAt, attempt } = this.run
    this.publish(events, { status, output, error, startedAt, finishedAt, attempt, cache, totals })
  }

  /** They could not be stored: the next write takes them along. */
  putBack(rows: readonly EventRow[]): void {
    this.rows.unshift(...rows)
  }

  /** Everything up to this number is in the database. */
  stored(sequence: number, now: Date): void {
    this.storedEvent = sequence
    this.hear(this.unheard.splice(0))
    this.drainOverflow(now)
  }

  /** The steps after `ends` of theirs. */
  apply(begun: readonly Step[], ends: readonly StepEnd[]): void {
    for (const step of begun) {
      this.begun.add(step.position)
      const known = this.steps.findIndex(({ position }) => position === step.position)
      if (known === -1) this.steps.push(step)
      else this.steps[known] = step
    }
    for (const { position, status, result } of ends) {
      const index = this.steps.findIndex((step) => step.position === position)
      const step = this.steps[index]
      if (step) this.steps[index] = { ...step, status, result } as Step
    }
  }

  private addPiece(text: string, now: Date): void {
    const event = this.number({ type: 'output.delta', data: { text } }, now)
    this.texts.push(text)
    this.textCharacters += text.length
    this.textsSince ??= now
    this.hear([event])
  }

  private hear(events: readonly RunEvent[]): void {
    const heard = events.filter(({ sequence }) => sequence <= this.storedEvent + MAX_UNSTORED_EVENTS)
    this.unheard.push(...events.slice(heard.length))
    if (heard.length > 0) this.publish(heard)
  }

  private drainOverflow(now: Date): void {
    if (this.overflow === '') return
    const text = this.overflow
    this.overflow = ''
    this.addPiece(text, now)
  }

  /** Pieces that came together become one row, under the number of the last. */
  private closeTexts(): void {
    if (this.texts.length === 0) return
    this.rows.push({
      sequence: this.sequence,
      type: 'output.delta',
      data: { texts: this.texts },
      createdAt: this.textsSince ?? new Date(0),
    })
    this.texts = []
    this.textCharacters = 0
    this.textsSince = null
  }

  private number({ type, data }: Telling, createdAt: Date): RunEvent {
    this.sequence += 1
    return { sequence: this.sequence, type, data, createdAt }
  }
}
