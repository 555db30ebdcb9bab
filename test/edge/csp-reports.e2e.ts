import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { Database } from '#platform/database/database.js'
import { MAX_CSP_REPORT_ROWS, MAX_WAITING_CSP_REPORTS } from '../../src/modules/csp-reports/csp-reports.service.js'
import { withClient } from '../support/test-database.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'

const BODY_LIMIT_BYTES = 16 * 1024
const DOCUMENT = 'https://app.example/docs'

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({ env: { PUBLIC_URL: 'https://app.example' } })
})
beforeEach(() => app.sql('DELETE FROM csp_reports'))
afterAll(() => app[Symbol.asyncDispose]())

function send(payload: unknown, contentType = 'application/csp-report'): Promise<LightMyRequestResponse> {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return app.inject({
    method: 'POST',
    url: '/csp-reports',
    payload: body,
    headers: { 'content-type': contentType },
  })
}

/** As Firefox sends it. */
const legacy = (changes: object = {}) => ({
  'csp-report': {
    'blocked-uri': 'https://evil.example/x.js?session=secret',
    'column-number': 1,
    disposition: 'enforce',
    'document-uri': `${DOCUMENT}?token=secret#here`,
    'effective-directive': 'script-src-elem',
    'line-number': 42,
    'original-policy': "default-src 'none'",
    referrer: 'https://user:secret@other.example/',
    'source-file': DOCUMENT,
    'status-code': 200,
    'violated-directive': 'script-src-elem',
    'something-new': { of: ['the', 'future'] },
    ...changes,
  },
})

/** As Chromium sends it. */
const report = (changes: object = {}) => ({
  age: 10,
  type: 'csp-violation',
  url: DOCUMENT,
  user_agent: 'Mozilla/5.0',
  body: {
    blockedURL: 'inline',
    columnNumber: 1,
    disposition: 'enforce',
    documentURL: `${DOCUMENT}?token=secret`,
    effectiveDirective: 'style-src-attr',
    originalPolicy: "default-src 'none'",
    referrer: '',
    sample: 'secret',
    statusCode: 200,
    ...changes,
  },
})

const batchOf = (blockedURL: string) => [report({ blockedURL })]

/** What /metrics has of them. */
async function counted(): Promise<{ stored: number; dropped: number }> {
  const { body } = await app.inject({ url: '/metrics' })
  const of = (result: string) =>
    Number(new RegExp(`^temponest_csp_reports_total\\{result="${result}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0)
  return { stored: of('stored'), dropped: of('dropped') }
}

const rows = () =>
  app.sql('SELECT directive, document_uri, blocked_uri, hits::int FROM csp_reports ORDER BY directive, blocked_uri')

describe('a report', () => {
  it.each(['application/csp-report', 'application/json', 'application/csp-report; charset=utf-8'])(
    'of the older format is kept, without secrets, as %s',
    async (contentType) => {
      const response = await send(legacy(), contentType)
      expect([response.statusCode, response.body]).toEqual([204, ''])
      expect(await rows()).toEqual([
        {
          directive: 'script-src-elem',
          document_uri: DOCUMENT,
          blocked_uri: 'https://evil.example/x.js',
          hits: 1,
        },
      ])
      expect(JSON.stringify(await app.sql('SELECT * FROM csp_reports'))).not.toContain('secret')
    },
  )

  it.each(['application/reports+json', 'application/json'])(
    'of the Reporting API is kept as %s',
    async (contentType) => {
      const others = [
        { type: 'deprecation', body: { id: 'x' } },
        { type: 'intervention', body: null },
      ]
      const response = await send([report(), ...others, report({ blockedURL: 'eval' })], contentType)
      expect(response.statusCode).toBe(204)
      const kept = { directive: 'style-src-attr', document_uri: DOCUMENT, hits: 1 }
      expect(await rows()).toEqual([
        { ...kept, blocked_uri: 'eval' },
        { ...kept, blocked_uri: 'inline' },
      ])
    },
  )

  it('that is known counts up, from many browsers at once', async () => {
    const others = Array.from({ length: 20 }, () => send([report(), report({ blockedURL: 'eval' }), report()]))
    for (const { statusCode } of await Promise.all(others)) expect(statusCode).toBe(204)
    expect((await rows()).map(({ blocked_uri, hits }) => [blocked_uri, hits])).toEqual([
      ['eval', 20],
      ['inline', 40],
    ])
  })

  it.each([
    ['another site', 'https://evil.example/docs'],
    ['another port', 'https://app.example:8443/docs'],
    ['no site', 'data:text/html,x'],
  ])('of a document of %s is taken and not kept', async (_, document) => {
    const before = await counted()
    expect((await send(legacy({ 'document-uri': document }))).statusCode).toBe(204)
    expect((await send([report({ documentURL: document }), report()])).statusCode).toBe(204)
    expect((await rows()).map(({ document_uri, hits }) => [document_uri, hits])).toEqual([[DOCUMENT, 1]])
    expect(await counted()).toEqual({ stored: before.stored + 1, dropped: before.dropped + 2 })
  })

  it('waits for nobody: what is known counts, what is new is dropped while another adds, or counts, it', async () => {
    await send(legacy())
    await send(batchOf('eval'))
    const before = await counted()
    await withClient(app.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT pg_advisory_xact_lock($1)', [0x63_73_70])
      await client.query(`SELECT 1 FROM csp_reports WHERE blocked_uri = 'eval' FOR UPDATE`)
      for (const payload of [legacy(), batchOf('eval'), batchOf('inline')]) {
        expect((await send(payload)).statusCode).toBe(204)
      }
      await client.query('ROLLBACK')
    })
    expect((await rows()).map(({ blocked_uri, hits }) => [blocked_uri, hits])).toEqual([
      ['https://evil.example/x.js', 2],
      ['eval', 1],
    ])
    expect(await counted()).toEqual({ stored: before.stored + 1, dropped: before.dropped + 2 })
  })

  it('takes no connection from requests', async () => {
    await using busy = await TestApp.start({ env: { PUBLIC_URL: 'https://app.example', DATABASE_POOL_SIZE: '2' } })
    const database = busy.nest.get(Database)
    const done = Promise.withResolvers<void>()
    const held = Array.from({ length: 2 }, () => database.transaction({}, () => done.promise))
    try {
      const headers = { 'content-type': 'application/csp-report' }
      const payload = JSON.stringify(legacy())
      const response = await busy.inject({ method: 'POST', url: '/csp-reports', payload, headers })
      expect(response.statusCode).toBe(204)
      expect(await busy.sql('SELECT hits::int FROM csp_reports')).toEqual([{ hits: 1 }])
    } finally {
      done.resolve()
      await Promise.all(held)
    }
  })

  it('is dropped in a flood, and the flood is answered', async () => {
    const before = await counted()
    const fitting = MAX_WAITING_CSP_REPORTS + 1
    const tooMany = 20
    await withClient(app.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('LOCK TABLE csp_reports')
      const answered = Promise.withResolvers<void>()
      let answers = 0
      const flood = Array.from({ length: fitting + tooMany }, async () => {
        expect((await send(legacy())).statusCode).toBe(204)
        answers += 1
        if (answers === tooMany) answered.resolve()
      })
      await answered.promise
      await client.query('ROLLBACK')
      await Promise.all(flood)
    })
    expect(await rows()).toEqual([expect.objectContaining({ hits: fitting })])
    expect(await counted()).toEqual({ stored: before.stored + fitting, dropped: before.dropped + tooMany })
  })

  it('of nothing is taken', async () => {
    expect((await send([], 'application/reports+json')).statusCode).toBe(204)
    expect(await rows()).toEqual([])
  })
})

describe('the number of kinds', () => {
  const fill = (count: number, seen: string) =>
    app.sql(
      `INSERT INTO csp_reports SELECT sha256(n::text::bytea), 'https://app.example/' || n, 'img-src', 'inline', 1, ${seen}, ${seen}
         FROM generate_series(1, $1) n`,
      [count],
    )
  const count = async () => (await app.sql('SELECT count(*)::int AS count FROM csp_reports'))[0]?.['count']

  it('is bounded, and what is known still counts up', async () => {
    await send(legacy())
    await fill(MAX_CSP_REPORT_ROWS - 2, 'now()')
    const strangers = Array.from({ length: 10 }, (_, index) =>
      send(legacy({ 'blocked-uri': `https://evil.example/${index}` })),
    )
    for (const { statusCode } of await Promise.all(strangers)) expect(statusCode).toBe(204)
    expect(await count()).toBe(MAX_CSP_REPORT_ROWS)
    await send(legacy())
    expect(
      (await app.sql(`SELECT hits::int FROM csp_reports WHERE document_uri = '${DOCUMENT}' AND hits > 1`))[0],
    ).toEqual({ hits: 2 })
  })

  it('leaves room again once nobody reports the old ones', async () => {
    await fill(MAX_CSP_REPORT_ROWS, `now() - interval '31 days'`)
    await send(legacy())
    expect((await rows()).map(({ directive }) => directive)).toEqual(['script-src-elem'])
  })
})

describe('what is no report', () => {
  it.each([
    ['broken JSON', '{"csp-report":'],
    ['an empty body', ''],
    ['null', 'null'],
    ['a text', '"text"'],
    ['another object', '{}'],
    ['an empty report', '{"csp-report":{}}'],
    ['a report that is a list', '{"csp-report":[]}'],
    ['a report without a directive', legacy({ 'effective-directive': '', 'violated-directive': '' })],
    ['a directive with markup', legacy({ 'effective-directive': '<script>alert(1)</script>' })],
    ['a document that is no address', legacy({ 'document-uri': "'; DROP TABLE runs; --" })],
    ['a number for an address', legacy({ 'blocked-uri': 42 })],
    ['an endless address', legacy({ 'document-uri': `https://app.example/${'a'.repeat(9000)}` })],
    ['a batch with one that is none', [report(), report({ documentURL: 'nowhere at all' })]],
    ['a batch of numbers', [1, 2]],
    ['a batch beyond measure', Array.from({ length: 21 }, () => report())],
    ['prototype poisoning', '{"csp-report":{"__proto__":{"x":1}}}'],
  ])('is refused and leaves nothing behind: %s', async (_, payload) => {
    const response = await send(payload)
    expectProblem(response, { status: 400, code: 'validation_failed', instance: '/csp-reports' })
    expect(await rows()).toEqual([])
  })

  it.each(['application/csp-report', 'application/reports+json', 'application/json'])(
    'is 413 above 16 KiB as %s',
    async (contentType) => {
      const ofSize = (bytes: number): string => `{"x":"${'a'.repeat(bytes - 8)}"}`
      expect(Buffer.byteLength(ofSize(BODY_LIMIT_BYTES))).toBe(BODY_LIMIT_BYTES)
      const expected = { status: 413, code: 'payload_too_large', instance: '/csp-reports' }
      expectProblem(await send(ofSize(BODY_LIMIT_BYTES + 1), contentType), expected)
      expect((await send(ofSize(BODY_LIMIT_BYTES), contentType)).statusCode).toBe(400)
    },
  )

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'text/html'])('is 415 as %s', async (contentType) => {
    expectProblem(await send(legacy(), contentType), { status: 415, code: 'unsupported_media_type' })
  })
})

describe("the browsers' content types", () => {
  it.each(['application/csp-report', 'application/reports+json'])('are 415 on every other route: %s', async (type) => {
    const response = await app.inject({
      method: 'POST',
      url: '/v1/auth/login',
      payload: '{"email":"a@example.com","password":"x"}',
      headers: { 'content-type': type },
    })
    expectProblem(response, { status: 415, code: 'unsupported_media_type', instance: '/v1/auth/login' })
  })
})
