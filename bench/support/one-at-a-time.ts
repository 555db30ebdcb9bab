import { z } from 'zod'
import { percentile, timed } from './stats.ts'

const WARM_UP_REQUESTS = 10
const MAX_PAGE_SIZE = 100

export interface Question {
  readonly what: string
  readonly url: string
  readonly headers: Record<string, string>
}

export interface Answers {
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
  /** Of the last answer. */
  readonly status: number
  readonly errors: number
}

/** Asks `count` times, one request after the other, and reads each answer to its end. */
export async function askTimes({ url, headers }: Question, count: number): Promise<Answers> {
  const tookMs: number[] = []
  let errors = 0
  let status = 0
  for (let nth = -WARM_UP_REQUESTS; nth < count; nth++) {
    const { ms, value } = await timed(async () => {
      const response = await fetch(url, { headers })
      await response.arrayBuffer()
      return response.status
    })
    status = value
    if (nth < 0) continue
    tookMs.push(ms)
    if (status !== 200) errors++
  }
  return { p50Ms: percentile(tookMs, 50), p95Ms: percentile(tookMs, 95), maxMs: Math.max(...tookMs), status, errors }
}

/** The URL of the page that begins after so many rows of a list, come to as a client would. */
export async function pageAfter(list: string, rows: number, headers: Record<string, string>): Promise<string> {
  const url = new URL(list)
  const limit = url.searchParams.get('limit')
  for (let left = rows; left > 0; left -= MAX_PAGE_SIZE) {
    url.searchParams.set('limit', String(Math.min(left, MAX_PAGE_SIZE)))
    const response = await fetch(url, { headers })
    // Said by who measures it.
    if (response.status !== 200) break
    const { nextCursor } = z.object({ nextCursor: z.string() }).parse(await response.json())
    url.searchParams.set('cursor', nextCursor)
  }
  url.searchParams.set('limit', limit ?? '20')
  return url.href
}
