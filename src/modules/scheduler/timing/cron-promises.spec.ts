import { beforeAll, describe, expect, it } from '@jest/globals'
import { nextAfter, timesBetween, type Timing } from './timing.js'

/**
 * The contract's promise in every zone whose clocks change in 2026 and 2027, against an oracle that shares nothing with
 * the code: what Intl shows in each single second around the change, and the promise word by word.
 */
const FROM_SECOND = Date.UTC(2026, 0, 1) / 1000
const UNTIL_SECOND = Date.UTC(2028, 0, 1) / 1000
const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Before and after a change, beside the time that it moves. */
const MARGIN = 40 * MINUTE

// Millions of calls: looking a global up is slow inside Jest.
const { floor } = Math

interface Change {
  readonly second: number
  /** UTC offsets in seconds. */
  readonly before: number
  readonly after: number
  readonly zones: string[]
}

/** Wall times are in seconds as if they were UTC; `walls[i]` is what clocks show at `firstSecond + i`. */
interface Window {
  readonly change: Change
  readonly firstSecond: number
  readonly walls: Float64Array
  /** Index of the first second that shows a wall time. */
  readonly firstShown: ReadonlyMap<number, number>
  /** Index of the first second after skipped ones; -1: nothing was skipped. */
  readonly gapEnd: number
}

interface Pattern {
  readonly cron: string
  readonly matches: (hour: number, minute: number, second: number) => boolean
}

function offsetReader(zone: string): (second: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  return (second) => {
    const [, sign, hours, minutes, seconds] =
      /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(second * 1000)) ?? []
    if (sign === undefined) return 0
    return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * MINUTE + Number(seconds ?? 0))
  }
}

function findChanges(): Change[] {
  const changes = new Map<string, Change>()
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const offsetAt = offsetReader(zone)
    for (let start = FROM_SECOND; start < UNTIL_SECOND; start += DAY) {
      const [before, after] = [offsetAt(start), offsetAt(start + DAY)]
      if (before === after) continue
      let [low, second] = [start, start + DAY]
      while (second - low > 1) {
        const middle = floor((low + second) / 2)
        if (offsetAt(middle) === before) low = middle
        else second = middle
      }
      const key = `${second} ${before} ${after}`
      const change = changes.get(key) ?? { second, before, after, zones: [] }
      change.zones.push(zone)
      changes.set(key, change)
    }
  }
  return [...changes.values()]
}

function windowAround(change: Change): Window {
  const reach = Math.abs(change.after - change.before) + MARGIN
  const firstSecond = change.second - reach
  const offsetAt = offsetReader(change.zones[0] ?? '')
  const walls = Float64Array.from(
    { length: 2 * reach },
    (_, index) => firstSecond + index + offsetAt(firstSecond + index),
  )
  const firstShown = new Map<number, number>()
  for (const [index, wall] of walls.entries()) if (!firstShown.has(wall)) firstShown.set(wall, index)
  const gapEnd = walls.findIndex((wall, index) => index > 0 && wall > (walls[index - 1] ?? 0) + 1)
  return { change, firstSecond, walls, firstShown, gapEnd }
}

/** The promise: in ms, each once, ascending. */
function promisedFires({ firstSecond, walls, firstShown, gapEnd }: Window, { cron, matches }: Pattern): number[] {
  const isDue = (wall: number) => {
    const second = wall % DAY
    return matches(floor(second / HOUR), floor((second % HOUR) / MINUTE), second % MINUTE)
  }
  const fires = new Set<number>()
  if (cron.split(' ')[2]?.startsWith('*')) {
    for (const [index, wall] of walls.entries()) if (isDue(wall)) fires.add(index)
  } else {
    const lastWall = Math.max(...walls)
    for (let wall = walls[0] ?? 0; wall <= lastWall; wall++) {
      if (isDue(wall)) fires.add(firstShown.get(wall) ?? gapEnd)
    }
  }
  return [...fires].sort((a, b) => a - b).map((index) => (firstSecond + index) * 1000)
}

/** Patterns on, in and beside the wall times from `low` to `high` that a change skips or repeats. */
function patternsAround({ second, before, after }: Change): Record<'thorough' | 'others', Pattern[]> {
  const low = second + Math.min(before, after)
  const high = second + Math.max(before, after)
  const split = (wall: number) => [floor((wall % DAY) / HOUR), floor((wall % HOUR) / MINUTE), wall % MINUTE] as const
  const daily = (wall: number): Pattern => {
    const [h, m, s] = split(wall)
    return { cron: `${s} ${m} ${h} * * *`, matches: (hour, minute, sec) => hour === h && minute === m && sec === s }
  }
  const [first] = split(low)
  const [last] = split(high)
  const around = [...new Set([(first + 23) % 24, first, last])].sort((a, b) => a - b)
  return {
    thorough: [
      daily((low + high) / 2),
      {
        cron: `0 15,45 ${first} * * *`,
        matches: (hour, minute, sec) => hour === first && (minute === 15 || minute === 45) && sec === 0,
      },
      { cron: '0 */15 * * * *', matches: (_, minute, sec) => minute % 15 === 0 && sec === 0 },
      {
        cron: `*/25 20-40/10 ${around.join(',')} * * *`,
        matches: (hour, minute, sec) => around.includes(hour) && [20, 30, 40].includes(minute) && sec % 25 === 0,
      },
    ],
    others: [
      daily(low),
      daily(low - 1),
      daily(low + 1),
      daily(high - 1),
      daily(high),
      daily(high + 1),
      { cron: '0 30 0-23 * * *', matches: (_, minute, sec) => minute === 30 && sec === 0 },
      { cron: `0 * ${first} * * *`, matches: (hour, _, sec) => hour === first && sec === 0 },
      { cron: '0 0 * * * *', matches: (_, minute, sec) => minute === 0 && sec === 0 },
      { cron: '0 0,30 */2 * * *', matches: (hour, minute, sec) => hour % 2 === 0 && minute % 30 === 0 && sec === 0 },
      { cron: '7,8 59 */1 * * *', matches: (_, minute, sec) => minute === 59 && (sec === 7 || sec === 8) },
    ],
  }
}

describe('the promise of every local pattern, wherever clocks change in 2026 and 2027', () => {
  let windows: Window[]

  beforeAll(() => {
    windows = findChanges().map(windowAround)
  })

  it('is about more than a hundred zones, changes both ways, and half an hour to two hours', () => {
    expect(new Set(windows.flatMap(({ change }) => change.zones)).size).toBeGreaterThan(100)
    const moved = new Set(windows.map(({ change }) => (change.after - change.before) / MINUTE))
    expect([...moved]).toEqual(expect.arrayContaining([30, -30, 60, -60, 120, -120]))
  })

  it('is kept by the fires of each zone', () => {
    const broken: string[] = []
    let fireCount = 0
    for (const window of windows) {
      const { thorough, others } = patternsAround(window.change)
      const after = new Date(window.firstSecond * 1000 - 1)
      const until = new Date((window.firstSecond + window.walls.length - 1) * 1000)
      for (const pattern of [...thorough, ...others]) {
        const promised = promisedFires(window, pattern)
        fireCount += promised.length
        for (const timezone of window.change.zones) {
          const timing: Timing = { kind: 'cron', cron: pattern.cron, timezone }
          const fires = timesBetween(timing, { after, until, limit: promised.length + 1 }).map(Number)
          if (fires.join() !== promised.join())
            broken.push(`${timezone} ${pattern.cron}: ${fires.join()} instead of ${promised.join()}`)
        }
      }
    }
    expect(broken).toEqual([])
    expect(fireCount).toBeGreaterThan(windows.length * 15)
  })

  it('is one next fire for every second between two', () => {
    const broken: string[] = []
    const shapes = new Set<string>()
    for (const window of windows) {
      // Changes of one size at one local time differ in nothing but the offset: of each the first is walked in full.
      const { second, before, after } = window.change
      const shape = `${(second + before) % DAY} ${after - before}`
      const stepMs = shapes.has(shape) ? 61_000 : 1000
      shapes.add(shape)
      const timezone = window.change.zones[0] ?? ''
      for (const pattern of patternsAround(window.change).thorough) {
        const timing: Timing = { kind: 'cron', cron: pattern.cron, timezone }
        const promised = promisedFires(window, pattern)
        const endMs = (window.firstSecond + window.walls.length - 1) * 1000
        let next = 0
        for (let ms = window.firstSecond * 1000 - 1000; ms < endMs; ms += stepMs) {
          while ((promised[next] ?? Infinity) <= ms) next++
          const found = nextAfter(timing, new Date(ms))?.getTime() ?? Infinity
          const expected = promised[next]
          const kept = expected === undefined ? found > endMs : found === expected
          if (!kept) broken.push(`${timezone} ${pattern.cron} at ${ms}: ${found} instead of ${expected}`)
        }
      }
    }
    expect(broken.slice(0, 10)).toEqual([])
    expect(shapes.size).toBeGreaterThan(10)
  })
})
