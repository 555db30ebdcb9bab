import { describe, expect, it } from '@jest/globals'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { placeAfter } from '../schedules/schedule-place.js'
import { MAX_QUEUED, MAX_RUNNING } from './admission.js'
import {
  MAX_DUE_PER_TURN,
  MAX_MISSED_COUNTED,
  MAX_MISSED_KEPT,
  takeTurn,
  type TurnMoves,
  type TurnState,
} from './schedule-turn.js'

const START = new Date('2026-03-01T12:00:00Z')
const GRACE_SECONDS = 5
const YEAR_MS = 365 * 86_400_000

const after = (seconds: number): Date => new Date(START.getTime() + seconds * 1000)

/** Every minute from START on, placed as after its creation. */
function schedule(overrides: Partial<ScheduleRecord> = {}): ScheduleRecord {
  const base: ScheduleRecord = {
    tenantId: '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e01',
    id: '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e10',
    name: 'nightly',
    agent: 'developer',
    task: 'tidy up',
    projectId: null,
    input: {},
    cron: null,
    everySeconds: 60,
    runAt: null,
    timezone: 'UTC',
    anchorAt: START,
    overlap: 'skip',
    catchUpSeconds: 0,
    jitterSeconds: 0,
    endsAt: null,
    maxExecutions: null,
    pauseAfterFailures: null,
    isActive: true,
    pausedReason: null,
    endedReason: null,
    cursorAt: START,
    nextNominalAt: null,
    nextRunAt: null,
    executions: 0,
    consecutiveFailures: 0,
    lastFiredAt: null,
    userId: '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e02',
    apiKeyId: null,
    revision: 1,
    createdAt: START,
    updatedAt: START,
    ...overrides,
  }
  return base.isActive ? { ...base, ...placeAfter(base, base.cursorAt) } : base
}

function turn(state: Partial<TurnState>): TurnMoves {
  return takeTurn({
    schedule: schedule(),
    now: after(60),
    graceSeconds: GRACE_SECONDS,
    refusal: null,
    running: 0,
    queued: 0,
    waiting: [],
    waitingCount: 0,
    ends: [],
    ...state,
  })
}

/** What became of due times, in short. */
function outcomes({ add }: TurnMoves): string[] {
  return add.map(({ nominalAt, status, reason, run }) => {
    const second = (nominalAt.getTime() - START.getTime()) / 1000
    return [second, run === 'none' ? status : run, reason ?? ''].join(' ').trim()
  })
}

const waiting = (count: number, refusal: string | null = null) =>
  Array.from({ length: count }, (_, index) => ({ id: `waiting-${index}`, refusal }))

describe("a schedule's turn", () => {
  it('does nothing before its time', () => {
    const moves = turn({ now: after(59.999) })
    expect(outcomes(moves)).toEqual([])
    expect(moves.place.nextRunAt).toEqual(after(60))
    expect(moves.hasMore).toBe(false)
  })

  it('fires at its time, and stands at the next', () => {
    const moves = turn({ now: after(60) })
    expect(outcomes(moves)).toEqual(['60 start'])
    expect(moves.place).toMatchObject({ nextRunAt: after(120), executions: 1, endedReason: null })
    expect(moves.hasMore).toBe(false)
  })

  it('fires a jitter later, the same each time, and knows the time by its name', () => {
    const late = schedule({ jitterSeconds: 3600 })
    const jitterMs = Number(late.nextRunAt) - Number(late.nextNominalAt)
    expect(jitterMs).toBeGreaterThan(0)
    const dueAt = new Date(after(60).getTime() + jitterMs)
    expect(outcomes(turn({ schedule: late, now: new Date(dueAt.getTime() - 1) }))).toEqual([])
    const moves = turn({ schedule: late, now: dueAt })
    expect(moves.add).toMatchObject([{ nominalAt: after(60), dueAt, run: 'start' }])
    expect(moves.place.nextRunAt).toEqual(new Date(dueAt.getTime() + 60_000))
  })

  describe('while one before it runs', () => {
    it.each([
      ['skip', 1, 0, ['60 skipped overlap']],
      ['skip', 0, 0, ['60 start']],
      ['queue', 1, 0, ['60 queue']],
      ['queue', 0, 1, ['60 queue']],
      ['queue', 1, MAX_QUEUED - 1, ['60 queue']],
      ['queue', 1, MAX_QUEUED, ['60 skipped queue_full']],
      ['allow', MAX_RUNNING - 1, 0, ['60 start']],
      ['allow', MAX_RUNNING, 0, ['60 skipped too_many_running']],
      ['cancel', 1, 0, ['60 start']],
    ] as const)('%s with %i running and %i waiting', (overlap, running, queued, expected) => {
      const moves = turn({ schedule: schedule({ overlap }), running, queued })
      expect(outcomes(moves)).toEqual(expected)
      expect(moves.stopsRunning).toBe(overlap === 'cancel')
      // What is skipped is no execution of those that it may have.
      expect(moves.place.executions).toBe(expected[0]?.includes('skipped') ? 0 : 1)
    })

    it.each([
      ['skip', ['60 start', '120 skipped overlap', '180 skipped overlap']],
      ['queue', ['60 start', '120 queue', '180 queue']],
      ['allow', ['60 start', '120 start', '180 start']],
      ['cancel', ['60 skipped replaced', '120 skipped replaced', '180 start']],
    ] as const)('%s of several that are due at once', (overlap, expected) => {
      const moves = turn({ schedule: schedule({ overlap, catchUpSeconds: 600 }), now: after(180) })
      expect(outcomes(moves)).toEqual(expected)
      expect(moves.stopsRunning).toBe(false)
    })
  })

  describe('after an outage', () => {
    it('fires what is late by no more than the grace', () => {
      expect(outcomes(turn({ now: after(60 + GRACE_SECONDS) }))).toEqual(['60 start'])
    })

    it('has missed what is later, and says so once', () => {
      const moves = turn({ now: after(245) })
      expect(outcomes(moves)).toEqual(['60 missed outage', '120 missed outage', '180 missed outage', '240 start'])
      expect(moves.missed).toMatchObject({ count: 3, isCountExact: true, firstDueAt: after(60) })
      expect(moves.place).toMatchObject({ nextRunAt: after(300), executions: 1 })
    })

    it('makes up for what is within the window, and has missed the rest', () => {
      const moves = turn({ schedule: schedule({ catchUpSeconds: 120, overlap: 'allow' }), now: after(305) })
      expect(outcomes(moves)).toEqual(['60 missed outage', '120 missed outage', '180 start', '240 start', '300 start'])
    })

    it('neither floods nor blocks after a year', () => {
      const moves = turn({ now: new Date(START.getTime() + YEAR_MS) })
      expect(moves.missed).toMatchObject({ count: MAX_MISSED_COUNTED, isCountExact: false, firstDueAt: after(60) })
      const missed = moves.add.filter(({ status }) => status === 'missed')
      expect(missed).toHaveLength(MAX_MISSED_KEPT)
      expect(moves.place.nextRunAt).toEqual(new Date(START.getTime() + YEAR_MS + 60_000))
      expect(moves.hasMore).toBe(false)
    })

    it('makes up for a long window in several turns, in order', () => {
      let current = schedule({ catchUpSeconds: 604_800, overlap: 'allow' })
      const now = after(60 * (2 * MAX_DUE_PER_TURN + 50))
      const seen: string[] = []
      for (let turns = 0; turns < 3; turns += 1) {
        const moves = turn({ schedule: current, now })
        seen.push(...moves.add.map(({ nominalAt }) => nominalAt.toISOString()))
        expect(moves.hasMore).toBe(turns < 2)
        current = Object.assign(current, moves.place)
      }
      expect(seen).toHaveLength(2 * MAX_DUE_PER_TURN + 50)
      expect(seen).toEqual([...new Set(seen)].toSorted())
    })

    it('has missed its one time, and ends', () => {
      const once = schedule({ everySeconds: null, runAt: after(60) })
      const moves = turn({ schedule: once, now: after(3600) })
      expect(outcomes(moves)).toEqual(['60 missed outage'])
      expect(moves.place).toMatchObject({ nextRunAt: null, endedReason: 'no_more_times' })
    })
  })

  describe('at its end', () => {
    it('fires once for one time', () => {
      const moves = turn({ schedule: schedule({ everySeconds: null, runAt: after(60) }) })
      expect(outcomes(moves)).toEqual(['60 start'])
      expect(moves.place).toMatchObject({ nextRunAt: null, endedReason: 'no_more_times' })
    })

    it('fires at its last moment and not behind it', () => {
      const moves = turn({ schedule: schedule({ endsAt: after(120), catchUpSeconds: 600 }), now: after(300) })
      expect(outcomes(moves)).toEqual(['60 start', '120 skipped overlap'])
      expect(moves.place).toMatchObject({ nextRunAt: null, endedReason: 'ends_at' })
    })

    it('has no more executions than it may', () => {
      const limited = schedule({ maxExecutions: 2, catchUpSeconds: 600, overlap: 'allow' })
      const moves = turn({ schedule: limited, now: after(300) })
      expect(outcomes(moves)).toEqual(['60 start', '120 start'])
      expect(moves.place).toMatchObject({ nextRunAt: null, endedReason: 'max_executions', executions: 2 })
    })
  })

  describe('with failures', () => {
    const strict = (consecutiveFailures: number) => schedule({ pauseAfterFailures: 3, consecutiveFailures })

    it.each([
      [2, ['failed'], 3, 'failures'],
      [2, ['completed', 'failed'], 1, null],
      [2, ['failed', 'completed'], 0, null],
      [2, ['cancelled'], 2, null],
      [0, ['failed', 'failed', 'failed'], 3, 'failures'],
    ] as const)('%i before, then %j: %i in a row, paused: %s', (before, ends, inARow, paused) => {
      const moves = turn({ schedule: strict(before), ends, now: after(1) })
      expect(moves.consecutiveFailures).toBe(inARow)
      expect(moves.paused).toBe(paused)
      expect(moves.place.nextRunAt).toEqual(paused === null ? after(60) : null)
    })

    it('does not fire what is due at the moment at which it is paused', () => {
      const moves = turn({ schedule: strict(2), ends: ['failed'] })
      expect(outcomes(moves)).toEqual([])
      expect(moves.paused).toBe('failures')
    })

    it('counts a due time whose run is refused as a failure', () => {
      const moves = turn({
        schedule: { ...strict(1), catchUpSeconds: 600 },
        refusal: 'budget_exceeded',
        now: after(300),
      })
      expect(outcomes(moves)).toEqual(['60 failed budget_exceeded', '120 failed budget_exceeded'])
      expect(moves.paused).toBe('failures')
    })

    it('is paused as soon as nobody stands for it any more', () => {
      const moves = turn({ refusal: 'not_permitted' })
      expect(outcomes(moves)).toEqual(['60 skipped not_permitted'])
      expect(moves.paused).toBe('not_permitted')
      expect(moves.place.nextRunAt).toBeNull()
    })
  })

  describe('with executions that wait', () => {
    it.each(['skip', 'queue', 'cancel'] as const)('starts one at a time (%s)', (overlap) => {
      const state = { schedule: schedule({ overlap }), now: after(1), waiting: waiting(3), waitingCount: 3 }
      expect(turn(state).start).toEqual(['waiting-0'])
      expect(turn({ ...state, running: 1 }).start).toEqual([])
    })

    it('starts as many as may run where they may overlap', () => {
      const state = { schedule: schedule({ overlap: 'allow' }), now: after(1), waiting: waiting(3), waitingCount: 20 }
      expect(turn(state)).toMatchObject({ start: ['waiting-0', 'waiting-1', 'waiting-2'], hasMore: true })
      expect(turn({ ...state, running: MAX_RUNNING - 1 })).toMatchObject({ start: ['waiting-0'], hasMore: false })
    })

    it('lets what is due now go first', () => {
      const moves = turn({ waiting: waiting(1), waitingCount: 1 })
      expect(outcomes(moves)).toEqual(['60 start'])
      expect(moves.start).toEqual([])
    })

    it('goes on behind one that is refused', () => {
      const refused = { id: 'waiting-r', refusal: 'agent_not_found' }
      const moves = turn({ now: after(1), waiting: [refused, ...waiting(1)], waitingCount: 2 })
      expect(moves).toMatchObject({ refuse: [refused], start: ['waiting-0'], consecutiveFailures: 1 })
    })

    it('starts none while it is paused', () => {
      const paused = schedule({ isActive: false })
      expect(turn({ schedule: paused, waiting: waiting(1), waitingCount: 1 })).toMatchObject({
        start: [],
        hasMore: false,
      })
    })
  })
})
