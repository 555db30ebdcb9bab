import { describe, expect, it } from '@jest/globals'
import type { RunEvent } from '../streaming/run-event.js'
import type { ClaimedRun } from './claimed-run.js'
import { endOf, NO_USAGE } from './journal.js'
import { MAX_UNSTORED_EVENTS, RunSession } from './run-session.js'

const NOW = new Date('2026-01-01T00:00:00.000Z')
const STARTED = { type: 'step.started' as const, data: { step: 1 } }
const FINISHED = { type: 'step.finished' as const, data: { step: 1 } }
const RUN: ClaimedRun = {
  tenantId: 't',
  runId: 'r',
  fencingNumber: '1',
  projectId: null,
  agent: 'developer',
  agentVersion: 1,
  task: 'x',
  context: null,
  model: 'openai/gpt-4o-mini',
  input: {},
  cache: 'off',
  userId: null,
  apiKeyId: null,
  parentRunId: null,
  scheduleId: null,
  rootRunId: 'r',
  depth: 0,
  attempt: 1,
  startedAt: NOW,
  deadlineAt: NOW,
  lastEvent: 0,
  totals: { ...NO_USAGE, steps: 0 },
  isCancelled: false,
  wasLost: false,
  isStart: true,
}

/** A session, and what followers on this replica have heard from it. */
function begin(run: Partial<ClaimedRun> = {}): { session: RunSession; heard: RunEvent[] } {
  const heard: RunEvent[] = []
  return { session: new RunSession({ ...RUN, ...run }, [], (events) => heard.push(...events)), heard }
}

const told = (events: readonly RunEvent[]) => events.map(({ sequence, type }) => `${sequence} ${type}`)

describe('the numbers of events', () => {
  it('go on from the stored ones, one more each, texts and tellings in the order in which they came', () => {
    const { session, heard } = begin({ lastEvent: 4 })
    session.tell([STARTED], NOW)
    session.say({ text: 'a' }, NOW)
    session.say({ text: 'b' }, NOW)
    session.tell([FINISHED], NOW)
    expect(told(heard)).toEqual(['5 step.started', '6 output.delta', '7 output.delta', '8 step.finished'])
    expect(session.takeRows(Infinity)).toMatchObject([
      { sequence: 5, type: 'step.started' },
      { sequence: 7, type: 'output.delta', data: { texts: ['a', 'b'] } },
      { sequence: 8, type: 'step.finished' },
    ])
  })

  it('start above all that a lost worker may have told without storing it', () => {
    const { session, heard } = begin({ lastEvent: 4, wasLost: true })
    session.tell([STARTED], NOW)
    const [row] = session.takeRows(Infinity)
    expect(row?.sequence).toBe(4 + MAX_UNSTORED_EVENTS + 1)
    // Not told before it is stored: if this worker is lost as well, the next one begins with the same number.
    expect(heard).toEqual([])
    session.stored(4 + MAX_UNSTORED_EVENTS + 1, NOW)
    expect(told(heard)).toEqual([`${4 + MAX_UNSTORED_EVENTS + 1} step.started`])
  })

  it('are never further ahead of the stored ones than a successor skips: what is said then comes with the next that is stored', () => {
    const { session, heard } = begin()
    for (let count = 0; count < MAX_UNSTORED_EVENTS + 100; count += 1) session.say({ text: '.' }, NOW)
    expect(heard).toHaveLength(MAX_UNSTORED_EVENTS)
    const rows = session.takeRows(Infinity)
    session.stored(Number(rows.at(-1)?.sequence), NOW)
    expect(heard.at(-1)).toMatchObject({ sequence: MAX_UNSTORED_EVENTS + 1, data: { text: '.'.repeat(100) } })
  })

  it('are taken by writes that tell nothing, too, behind what was said before them', () => {
    const { session, heard } = begin({ lastEvent: 4 })
    session.say({ text: 'a' }, NOW)
    expect(session.skip(NOW)).toBe(6)
    session.tell([FINISHED], NOW)
    expect(told(heard)).toEqual(['5 output.delta', '7 step.finished'])
    expect(session.takeRows(6).map(({ sequence }) => sequence)).toEqual([5])
  })

  it('lose no text that was held back when something else is told', () => {
    const { session, heard } = begin()
    for (let count = 0; count < MAX_UNSTORED_EVENTS + 1; count += 1) session.say({ text: '.' }, NOW)
    session.tell([FINISHED], NOW)
    expect(heard).toHaveLength(MAX_UNSTORED_EVENTS)
    session.stored(1, NOW)
    expect(heard).toHaveLength(MAX_UNSTORED_EVENTS + 1)
    session.stored(2, NOW)
    expect(told(heard.slice(-2))).toEqual([
      `${MAX_UNSTORED_EVENTS + 1} output.delta`,
      `${MAX_UNSTORED_EVENTS + 2} step.finished`,
    ])
  })
})

describe('rows of a write', () => {
  it('end before what is told by a later one, and hold the texts in between', () => {
    const { session } = begin()
    const [first] = session.tell([FINISHED], NOW)
    session.say({ text: 'a' }, NOW)
    session.tell([FINISHED], NOW)
    expect(session.takeRows(Number(first?.sequence)).map(({ sequence }) => sequence)).toEqual([1, 2])
    expect(session.hasTexts).toBe(false)
    expect(session.takeRows(3).map(({ sequence }) => sequence)).toEqual([3])
  })
})

describe('a seam', () => {
  it('comes behind the text that was held back before it, and is not told too far ahead either', () => {
    const { session, heard } = begin()
    for (let count = 0; count < MAX_UNSTORED_EVENTS + 1; count += 1) session.say({ text: '.' }, NOW)
    session.say({ text: '', seam: { from: 'a', to: 'b', keptCharacters: 3 } }, NOW)
    expect(heard).toHaveLength(MAX_UNSTORED_EVENTS)
    session.stored(MAX_UNSTORED_EVENTS, NOW)
    expect(heard.slice(-2).map(({ data }) => data)).toEqual([
      { text: '.' },
      { text: '', seam: { from: 'a', to: 'b', keptCharacters: 3 } },
    ])
  })
})

describe('texts', () => {
  it('are worth storing at once when there are two thousand characters of them', () => {
    const { session } = begin()
    expect(session.say({ text: 'x'.repeat(1999) }, NOW)).toBe(false)
    expect(session.say({ text: 'x' }, NOW)).toBe(true)
    session.takeRows(Infinity)
    expect(session.say({ text: 'x' }, NOW)).toBe(false)
  })

  it('that are empty are no event, but for a seam, which is a row of its own', () => {
    const { session, heard } = begin()
    const seam = { from: 'a', to: 'b', keptCharacters: 3 }
    session.say({ text: '' }, NOW)
    session.say({ text: 'One' }, NOW)
    session.say({ text: '', seam }, NOW)
    session.say({ text: ' two' }, NOW)
    expect(told(heard)).toEqual(['1 output.delta', '2 output.delta', '3 output.delta'])
    expect(heard[1]?.data).toEqual({ text: '', seam })
    expect(session.takeRows(Infinity).map(({ data }) => data)).toEqual([
      { texts: ['One'] },
      { texts: [''], seam },
      { texts: [' two'] },
    ])
  })
})

describe('rows', () => {
  it('that could not be stored come before what followed them, under their numbers', () => {
    const { session } = begin()
    session.say({ text: 'a' }, NOW)
    const rows = session.takeRows(Infinity)
    session.say({ text: 'b' }, NOW)
    session.putBack(rows)
    expect(session.hasTexts).toBe(true)
    expect(session.takeRows(Infinity).map(({ sequence }) => sequence)).toEqual([1, 2])
    expect(session.hasTexts).toBe(false)
  })

  it('of the last telling are announced by hand, once they are stored', () => {
    const { session, heard } = begin()
    const last = session.tell([{ type: 'run.completed', data: {} }], NOW, true)
    expect(heard).toEqual([])
    session.announce(last, { status: 'cancelled', output: null, error: null, finishedAt: NOW })
    expect(told(heard)).toEqual(['1 run.completed'])
  })
})

describe('what is deferred', () => {
  it('is known to the next move at once, and counts before it is written', () => {
    const { session } = begin()
    session.apply(
      [
        {
          kind: 'tool',
          position: 1,
          status: 'running',
          name: 't',
          request: { callId: 'c', arguments: {}, isIdempotent: true },
          result: null,
          attempt: 1,
          startedAt: NOW,
        },
      ],
      [],
    )
    const usage = { ...NO_USAGE, outputTokens: 7, costUsd: '0.1' }
    const end = { ...endOf(1, 'completed', { text: 'done', isError: false }), usage }
    const hit = { keyHash: Buffer.of(1), write: async () => undefined }
    session.defer({ end: [end], tell: [FINISHED], hits: [hit] })
    expect(session.steps).toMatchObject([{ status: 'completed', result: { text: 'done' } }])
    expect(session.used).toMatchObject({ outputTokens: 7, costUsd: '0.1' })
    expect(session.takeDeferred()).toEqual({ end: [end], tell: [FINISHED], hits: [hit] })
    expect(session.takeDeferred()).toEqual({ end: [], tell: [], hits: [] })
  })
})

describe('writes', () => {
  it('follow one another in the order in which they were asked for, failed ones too', async () => {
    const { session } = begin()
    const order: string[] = []
    const first = Promise.withResolvers<void>()
    const one = session.exclusively(() => first.promise)
    const two = session.exclusively(async () => void order.push('two'))
    expect(session.isIdle).toBe(false)
    order.push('one')
    first.reject(new Error('away'))
    await expect(one).rejects.toThrow('away')
    await two
    expect(order).toEqual(['one', 'two'])
    expect(session.isIdle).toBe(true)
  })
})

describe('a model call that was under way', () => {
  const step = { kind: 'model', status: 'running', name: 'm', request: {}, result: null, attempt: 1 } as const
  const open = { ...step, position: 1, startedAt: NOW }

  it('is to be counted when its worker was lost, and not when the run was handed over', () => {
    expect(new RunSession({ ...RUN, wasLost: true }, [open], () => undefined).uncounted).toBe(1)
    expect(new RunSession(RUN, [open], () => undefined).uncounted).toBeNull()
  })
})

describe('a step', () => {
  it('that was running before this claim was interrupted; one that was begun under it was not', () => {
    const step = {
      kind: 'model' as const,
      position: 1,
      status: 'running' as const,
      name: 'm',
      request: {},
      result: null,
      attempt: 1,
      startedAt: NOW,
    }
    const resumed = new RunSession(RUN, [step], () => undefined)
    expect(resumed.isBegun(1)).toBe(false)
    resumed.apply([step], [])
    expect(resumed.isBegun(1)).toBe(true)
    expect(resumed.steps).toHaveLength(1)
    expect(resumed.nextPosition).toBe(2)
    expect(new RunSession(RUN, [step], () => undefined, [1]).isBegun(1)).toBe(true)
  })
})
