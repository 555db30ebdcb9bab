import type { RecordedRequest } from '../model-simulator.js'
import type { JournalWatch, Mark } from './journal-watch.js'
import type { ToolServerCall } from './tool-server.js'

const REQUEST_ID = /^(?<run>[0-9a-f-]{36})-(?<position>\d+)-(?<fencing>\d+)-\d+$/
const STEP_MARK = /^(?:run|child) (?<kind>\w+)\.(?<what>\w+) \d+$/
const BEGINNINGS = new Set(['begun', 'repeated'])

/** A model request as the provider saw it, and the step that it was made for. */
interface AskedRequest {
  readonly step: string
  readonly fencing: number
  readonly record: RecordedRequest
}

interface StepMark extends Mark {
  readonly kind: string
  readonly isEnd: boolean
}

interface Evidence {
  readonly requests: readonly RecordedRequest[]
  readonly calls: readonly ToolServerCall[]
  /** When processes were killed, in milliseconds since the epoch. */
  readonly killedAt: readonly number[]
}

/** What two witnesses outside of the app, the model and the tools' server, know of its runs, against what its journal says. */
export class Verdict {
  private constructor(
    private readonly watch: JournalWatch,
    private readonly evidence: Evidence,
    private readonly steps: ReadonlyMap<string, readonly StepMark[]>,
    private readonly asked: readonly AskedRequest[],
  ) {}

  static async of(watch: JournalWatch, evidence: Evidence): Promise<Verdict> {
    const marks = (await watch.marks()).flatMap(toStepMark)
    const steps = Map.groupBy(marks, ({ runId, position }) => `${runId}-${position}`)
    const asked = evidence.requests.map((record) => {
      const { run, position, fencing } = REQUEST_ID.exec(String(record.headers['x-client-request-id']))?.groups ?? {}
      return { step: `${run}-${position}`, fencing: Number(fencing), record }
    })
    return new Verdict(watch, evidence, steps, asked)
  }

  /** Steps that ended more than once, or never. */
  stepsNotEndedOnce(): string[] {
    return [...this.steps].flatMap(([step, marks]) => {
      const ends = marks.filter(({ isEnd }) => isEnd)
      return ends.length === 1 ? [] : [`${step}: ${ends.map(({ name }) => name).join()}`]
    })
  }

  /** Model requests for a step that had been finished already: under an earlier claim, or before they were sent. */
  repeatedModelCalls(): string[] {
    return this.asked.flatMap(({ step, fencing, record }) => {
      const end = this.endOf(step)
      return end && fencing <= end.fencing && record.receivedAt <= end.at ? [] : [`${step} under ${fencing}`]
    })
  }

  /** Calls of tools that reached their server though they should not have. */
  async repeatedToolCalls(): Promise<string[]> {
    const steps = await this.watch.query<{
      runId: string
      position: number
      name: string
      callId: string
      status: string
    }>(
      `SELECT run_id AS "runId", position, name, request ->> 'callId' AS "callId", status FROM run_steps WHERE kind = 'tool'`,
    )
    const byCall = Map.groupBy(steps, ({ runId, callId, name }) => `${name} ${runId}-${callId.split('_')[1]}`)
    const arrived = Map.groupBy(this.evidence.calls, ({ method, asker }) => `${TOOL_OF[method]} ${asker}`)
    return [...arrived].flatMap(([key, calls]) => {
      const known = byCall.get(key) ?? []
      const ends = known.map(({ runId, position }) => this.endOf(`${runId}-${position}`)?.at ?? 0)
      const isLate = calls.some(({ at }) => at > Math.max(...ends))
      // Not idempotent: once for each time that somebody has allowed it.
      const isTooOften = key.startsWith('book') && calls.length > known.length
      const areKeysWrong = calls.some(({ method, idempotencyKey }) => (method === 'POST') !== (idempotencyKey !== null))
      return isLate || isTooOften || areKeysWrong ? [`${key}: ${calls.length} calls, ${known.length} steps`] : []
    })
  }

  /** What the model says that it has told of those answers that the journal holds. */
  usageTold(): { inputTokens: number; outputTokens: number; calls: number } {
    const held = this.asked.filter((request) => this.isHeld(request))
    return {
      inputTokens: held.reduce((sum, { record }) => sum + (record.usage?.promptTokens ?? 0), 0),
      outputTokens: held.reduce((sum, { record }) => sum + (record.usage?.completionTokens ?? 0), 0),
      calls: held.length,
    }
  }

  /** What was booked as the provider's own count. */
  async usageBooked(): Promise<{ inputTokens: number; outputTokens: number; calls: number }> {
    const [sum] = await this.watch.query<{ inputTokens: number; outputTokens: number; calls: number }>(
      `SELECT coalesce(sum(input_tokens), 0)::integer AS "inputTokens", coalesce(sum(output_tokens), 0)::integer AS "outputTokens",
              count(*)::integer AS calls FROM cost_tracking WHERE NOT is_estimated`,
    )
    return sum ?? { inputTokens: 0, outputTokens: 0, calls: 0 }
  }

  /** Requests whose answers the journal does not hold, and that no kill between them and the next one explains. */
  unexplainedRequests(): string[] {
    return this.asked.flatMap((request) => {
      if (this.isHeld(request)) return []
      const { step, record } = request
      const later = this.asked.filter((other) => other.step === step && other.record.receivedAt > record.receivedAt)
      const until = Math.min(...later.map((other) => other.record.receivedAt))
      const isExplained = this.evidence.killedAt.some((at) => at >= record.receivedAt && at <= until)
      return isExplained ? [] : [`${step} under ${request.fencing}`]
    })
  }

  /** Model steps whose interrupted calls were not all booked as estimates, one each. */
  async wronglyEstimated(): Promise<string[]> {
    const rows = await this.watch.query<{ step: string; estimates: number }>(
      `SELECT run_id || '-' || step AS step, count(*)::integer AS estimates FROM cost_tracking
        WHERE is_estimated AND input_tokens > 0 GROUP BY run_id, step`,
    )
    const booked = new Map(rows.map(({ step, estimates }) => [step, estimates]))
    return [...this.steps].flatMap(([step, marks]) => {
      if (marks[0]?.kind !== 'model') return []
      const end = this.endOf(step)
      const interrupted = marks.filter(({ isEnd, fencing }) => !isEnd && fencing !== end?.fencing).length
      const estimates = booked.get(step) ?? 0
      return interrupted === estimates ? [] : [`${step}: ${interrupted} interrupted, ${estimates} estimated`]
    })
  }

  /** Runs whose totals are not what was booked for them and all that they delegated. */
  runsWithOtherTotals(): Promise<object[]> {
    return this.watch.query(`
      WITH RECURSIVE tree AS (
        SELECT id AS ancestor, id FROM runs UNION ALL SELECT t.ancestor, r.id FROM runs r JOIN tree t ON r.parent_run_id = t.id
      ), booked AS (
        SELECT t.ancestor, coalesce(sum(c.input_tokens), 0) AS input, coalesce(sum(c.output_tokens), 0) AS output,
               coalesce(sum(c.cost_usd), 0) AS usd
          FROM tree t LEFT JOIN cost_tracking c ON c.run_id = t.id GROUP BY t.ancestor
      )
      SELECT r.id, r.input_tokens, b.input, r.output_tokens, b.output, r.cost_usd, b.usd FROM runs r JOIN booked b ON b.ancestor = r.id
       WHERE (r.input_tokens, r.output_tokens, r.cost_usd) IS DISTINCT FROM (b.input, b.output, b.usd)`)
  }

  /** Runs whose log does not end once, with its last number, or does not give the output's text. */
  async runsWithWrongLogs(): Promise<object[]> {
    return this.watch.query(`
      WITH last AS (
        SELECT run_id, max(sequence) AS sequence, count(*) FILTER (WHERE type IN ('run.completed', 'run.failed', 'run.cancelled')) AS ends,
               max(sequence) FILTER (WHERE type IN ('run.completed', 'run.failed', 'run.cancelled')) AS ended,
               max(sequence) FILTER (WHERE type = 'step.started' AND data ->> 'kind' = 'model') AS asked,
               count(*) FILTER (WHERE type = 'run.started') AS starts
          FROM run_events GROUP BY run_id
      ), said AS (
        SELECT l.run_id, coalesce(string_agg(piece.text, '' ORDER BY e.sequence, piece.nth), '') AS text
          FROM last l LEFT JOIN run_events e ON e.run_id = l.run_id AND e.sequence > l.asked AND e.type = 'output.delta'
          LEFT JOIN LATERAL jsonb_array_elements_text(e.data -> 'texts') WITH ORDINALITY AS piece (text, nth) ON true
         GROUP BY l.run_id
      )
      SELECT r.id, r.status, l.*, s.text, r.output ->> 'text' AS output FROM runs r LEFT JOIN last l ON l.run_id = r.id
        LEFT JOIN said s ON s.run_id = r.id
       WHERE l.ends IS DISTINCT FROM 1 OR l.starts IS DISTINCT FROM 1 OR l.ended IS DISTINCT FROM l.sequence
          OR r.last_event IS DISTINCT FROM l.sequence
          OR (r.status = 'completed' AND s.text IS DISTINCT FROM r.output ->> 'text')`)
  }

  private isHeld({ step, fencing }: AskedRequest): boolean {
    return this.endOf(step)?.fencing === fencing
  }

  private endOf(step: string): StepMark | undefined {
    return this.steps.get(step)?.find(({ isEnd }) => isEnd)
  }
}

const TOOL_OF: Readonly<Record<string, string>> = { GET: 'lookup', POST: 'book' }

function toStepMark(mark: Mark): StepMark[] {
  const { kind = '', what = '' } = STEP_MARK.exec(mark.name)?.groups ?? {}
  return kind === '' ? [] : [{ ...mark, kind, isEnd: !BEGINNINGS.has(what) }]
}
