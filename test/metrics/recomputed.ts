import { Usd } from '#kernel/usd.js'
import type { PlantedEntry, PlantedRun } from './planted-runs.js'

/** The plain way to the figures, from the runs themselves. */

export function durationsOf(runs: readonly PlantedRun[]): number[] {
  return runs.flatMap(({ startedAt, finishedAt }) =>
    startedAt && finishedAt ? [finishedAt.getTime() - startedAt.getTime()] : [],
  )
}

/** Rounded to whole milliseconds; null of nothing. */
export function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
}

/** Interpolated between the two values around it, rounded; null of nothing. */
export function percentileOf(values: readonly number[], part: number): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const place = part * (sorted.length - 1)
  const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
  return Math.round(below + (above - below) * (place - Math.floor(place)))
}

export function countOf(runs: readonly PlantedRun[], ...statuses: string[]): number {
  return runs.filter(({ status }) => statuses.includes(status)).length
}

export function costOf(entries: readonly PlantedEntry[]): string {
  return entries.reduce((sum, { costUsd }) => sum.plus(Usd.parse(costUsd ?? '0')), Usd.ZERO).toString()
}

export function unpricedOf(entries: readonly PlantedEntry[]): number {
  return entries.filter(({ costUsd }) => costUsd === null).length
}

export function entriesOf(runs: readonly PlantedRun[]): PlantedEntry[] {
  return runs.flatMap(({ entry }) => entry ?? [])
}

export function isWithin(moment: Date, from: Date, to?: Date): boolean {
  return moment >= from && (to === undefined || moment < to)
}
