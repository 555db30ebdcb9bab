import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Database } from '#platform/database/database.js'
import type { CostEntry } from '../../src/modules/costs/reports/cost-entries.schemas.js'
import { ROWS_PER_PAGE } from '../../src/modules/costs/reports/cost-exports.service.js'
import { ExportPlaces } from '../../src/modules/costs/reports/export-places.service.js'
import { eventually } from '../support/eventually.js'
import { expectProblem } from '../support/problem.js'
import { TEST_JWT_SECRET, TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { plantEntries, plantProject, plantRun } from './cost-rows.js'

/** More than all buffers between the table and a client that does not read can hold: some 15 MB. */
const MANY = 30_000
const FORMATS = ['csv', 'ndjson'] as const

let app: TestApp
let user: TestUser
let runId: string
/** Of a tenant with many entries. */
let heavy: TestUser
let url: string

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  heavy = await TestUser.register(app)
  runId = await plantRun(app, user.tenantId)
  await app.sql('ALTER TABLE cost_tracking DISABLE TRIGGER cost_tracking_count')
  await app.sql(
    `INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, input_tokens, cached_input_tokens, output_tokens,
       reasoning_tokens, cost_usd, created_at, step, is_estimated)
     SELECT $1, uuid_at('2026-03-01'::timestamptz + i * interval '1 ms'), $2, 'developer', 'openai/' || repeat('x', 150), i, 0, 0, 0,
            i * 0.000001, '2026-03-01'::timestamptz + (i / 3) * interval '1 ms', 1, false FROM generate_series(1, $3::integer) i`,
    [heavy.tenantId, await plantRun(app, heavy.tenantId), MANY],
  )
  await app.sql('ALTER TABLE cost_tracking ENABLE TRIGGER cost_tracking_count')
  await app.sql('ANALYZE cost_tracking')
  url = await app.listen()
})
afterAll(async () => app[Symbol.asyncDispose]())

async function exportOf(format: string, query = '', by = user): Promise<string> {
  const response = await by.request({ url: `/v1/costs/export.${format}?${query}` })
  expect(response.statusCode).toBe(200)
  return response.body
}

const listed = async (query = '', by = user): Promise<CostEntry[]> =>
  (await by.request({ url: `/v1/costs/entries?limit=100&${query}` })).json().data.toReversed()

/** RFC 4180, as a spreadsheet reads it. */
function parseCsv(text: string): Record<string, string>[] {
  const [names = [], ...lines] = text
    .split('\r\n')
    .slice(0, -1)
    .map((line) => [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell]) => String(cell).replaceAll('""', '"')))
  return lines.map((cells) => Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ''])))
}

const places = (): ExportPlaces => app.nest.get(ExportPlaces)
const whenFree = (): Promise<number> =>
  eventually(
    () => places().count,
    (count) => count === 0,
  )

/** An answer that has begun and of which nothing is read. As it is: what repeats itself packs so well that all of it would be on its way. */
function begin(by = heavy, format = 'ndjson', at = url): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${by.accessToken}`, 'accept-encoding': 'identity' }
  return new Promise((resolve, reject) => {
    get(`${at}/v1/costs/export.${format}`, { headers }, resolve).on('error', reject)
  })
}

/** All lines that come, and meanwhile in `chunks` what has come so far. */
async function linesOf(response: IncomingMessage, chunks: string[] = []): Promise<string[]> {
  for await (const chunk of response) chunks.push(String(chunk))
  return chunks.join('').trimEnd().split('\n')
}

describe('an export', () => {
  it('has what the list has, oldest first, as NDJSON and as CSV', async () => {
    const project = await plantProject(app, { tenantId: user.tenantId, slug: 'web' })
    await plantEntries(
      app,
      { tenantId: user.tenantId, runId },
      Array.from({ length: 30 }, (_, index) => ({
        createdAt: new Date(Date.UTC(2026, 2, 1, 0, 0, index % 7)),
        projectId: index % 2 === 0 ? project : null,
        model: index % 3 === 0 ? 'a/"quoted", with\r\n lines' : 'openai/gpt-5-mini',
        inputTokens: index,
        costUsd: index % 5 === 0 ? null : '0.0010',
      })),
    )
    for (const query of ['', 'project=web', 'unpriced=true', 'from=2026-03-01T00:00:02Z&to=2026-03-01T00:00:04Z']) {
      const entries = await listed(query)
      expect(entries.length).toBeGreaterThan(0)
      const lines = (await exportOf('ndjson', query)).split('\n').slice(0, -1)
      expect(lines.map((line) => JSON.parse(line))).toEqual(entries)
      const rows = parseCsv((await exportOf('csv', query)).replaceAll('with\r\n lines', 'with lines'))
      expect(rows).toEqual(
        entries.map(({ prices, model, ...entry }) =>
          Object.fromEntries(
            Object.entries({ ...entry, model: model.replace('\r\n', ''), ...prices }).map(([name, value]) => [
              name,
              String(value ?? ''),
            ]),
          ),
        ),
      )
    }
  })

  it.each([
    ['csv', 'text/csv; charset=utf-8'],
    ['ndjson', 'application/x-ndjson'],
  ])('as %s is a download, without a tag', async (format, type) => {
    const response = await user.request({ url: `/v1/costs/export.${format}` })
    expect(response.headers).toMatchObject({
      'content-type': type,
      'content-disposition': `attachment; filename="costs.${format}"`,
    })
    expect(response.headers).not.toHaveProperty('etag')
    const head = await user.request({ method: 'HEAD', url: `/v1/costs/export.${format}` })
    expect([head.statusCode, head.headers['content-type'], head.body]).toEqual([200, type, ''])
    await whenFree()
  })

  it('has every entry once where there are many, also of one moment, however it is coded', async () => {
    const headers = { authorization: `Bearer ${heavy.accessToken}` }
    const response = await fetch(`${url}/v1/costs/export.ndjson`, { headers })
    expect(response.headers.get('content-encoding')).toMatch(/br|gzip/)
    const numbers = (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).inputTokens)
    expect(numbers).toEqual(Array.from({ length: MANY }, (_, index) => index + 1))
    const rows = parseCsv(await exportOf('csv', '', heavy))
    expect(rows.map(({ inputTokens }) => Number(inputTokens))).toEqual(numbers)
    await whenFree()
  })

  it('ends with what was booked when it began', async () => {
    const { tenantId } = user
    await plantEntries(app, { tenantId, runId }, [{ createdAt: new Date(Date.now() + 3_600_000), agent: 'later' }])
    expect(await exportOf('ndjson', 'agent=later')).toBe('')
    expect(await exportOf('ndjson', 'agent=later&to=2100-01-01T00:00:00Z')).toBe('')
  })

  it('has no cell that a spreadsheet would run', async () => {
    const names = ['=HYPERLINK("http://evil")', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1']
    const entries = names.map((model) => ({ createdAt: new Date(), model, agent: 'injector' }))
    await plantEntries(app, { tenantId: user.tenantId, runId }, entries)
    await sleep(2)
    const rows = parseCsv((await exportOf('csv', 'agent=injector')).replaceAll('\r=1', '=1'))
    expect(rows.map(({ model }) => String(model)).toSorted()).toEqual(
      names.map((name) => `'${name.replace('\r', '')}`).toSorted(),
    )
  })

  it('is empty for another tenant', async () => {
    const stranger = await TestUser.register(app)
    expect(await exportOf('ndjson', '', stranger)).toBe('')
    expect(parseCsv(await exportOf('csv', `runId=${runId}`, stranger))).toEqual([])
  })

  it.each(FORMATS)('as %s refuses what the list refuses, and pages', async (format) => {
    for (const query of ['limit=5', 'cursor=x', 'from=now', 'user=me', 'unpriced=1']) {
      const response = await user.request({ url: `/v1/costs/export.${format}?${query}` })
      expectProblem(response, { status: 400, code: 'validation_failed' })
    }
  })

  it.each(FORMATS)('as %s that cannot begin is a problem, not an empty file', async (format) => {
    await app.sql('ALTER TABLE cost_tracking RENAME TO cost_tracking_away')
    const response = await user.request({ url: `/v1/costs/export.${format}` })
    await app.sql('ALTER TABLE cost_tracking_away RENAME TO cost_tracking')
    expectProblem(response, { status: 500, code: 'internal' })
    expect(places().count).toBe(0)
  })
})

describe('a client that is slow', () => {
  it('is not read ahead for, holds no connection, and gets it all', async () => {
    const response = await begin()
    const { requests } = app.nest.get(Database)
    await eventually(
      () => requests.load,
      ({ total, idle, waiting }) => total === idle && waiting === 0,
    )
    const entries = await app.sql(`SELECT count(*)::int AS count FROM pg_stat_activity
                                    WHERE datname = current_database() AND state <> 'idle' AND application_name = 'temponest-requests'`)
    expect(entries).toEqual([{ count: 0 }])
    expect(await linesOf(response)).toHaveLength(MANY)
    expect(response.complete).toBe(true)
    await whenFree()
  })

  it('and meets an error on the way sees its connection break, not the end of a file', async () => {
    const response = await begin()
    await app.sql('ALTER TABLE cost_tracking RENAME TO cost_tracking_away')
    const text: string[] = []
    await expect(linesOf(response, text)).rejects.toThrow('aborted')
    await app.sql('ALTER TABLE cost_tracking_away RENAME TO cost_tracking')
    expect(response.complete).toBe(false)
    const { length } = text.join('').split('\n')
    expect(length).toBeGreaterThanOrEqual(ROWS_PER_PAGE)
    expect(length).toBeLessThan(MANY)
    await whenFree()
  })

  it.each(FORMATS)('and hangs up frees its place (%s)', async (format) => {
    const response = await begin(heavy, format)
    expect(places().count).toBe(1)
    response.destroy()
    await whenFree()
  })
})

it('breaks off before it keeps the server from stopping in order', async () => {
  const stopping = await TestApp.start({
    database: app.database,
    env: { SHUTDOWN_GRACE_MS: '600', JWT_SECRET: TEST_JWT_SECRET },
  })
  const response = await begin(heavy, 'ndjson', await stopping.listen())
  await stopping[Symbol.asyncDispose]()
  await expect(linesOf(response)).rejects.toThrow('aborted')
  expect(response.complete).toBe(false)
})

describe('exports at once', () => {
  it('are two of a tenant, and six on a replica', async () => {
    const held = [await begin(), await begin()]
    const third = await heavy.request({ url: '/v1/costs/export.csv' })
    expectProblem(third, { status: 429, code: 'rate_limited' })
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(0)
    const others = Array.from({ length: 4 }, (_, index) => places().take(`tenant-${index}`))
    const seventh = await user.request({ url: '/v1/costs/export.csv' })
    expectProblem(seventh, { status: 503, code: 'unavailable' })
    for (const place of others) place.leave()
    expect((await user.request({ url: '/v1/costs/export.csv' })).statusCode).toBe(200)
    for (const response of held) response.destroy()
    await whenFree()
  })
})
