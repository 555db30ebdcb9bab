import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { list, record, recordMany, tamper, verify } from './audit-trail.js'

const README = join(import.meta.dirname, '../../src/modules/audit/README.md')

let app: TestApp
let user: TestUser
let failure: Error | undefined

beforeAll(async () => {
  app = await TestApp.start()
  app.nest.get(EventBus).subscribe(AuditedEvent, async () => {
    if (failure) throw failure
  })
})
beforeEach(async () => {
  failure = undefined
  user = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

async function exportOf(format: string, query = ''): Promise<string> {
  const response = await user.request({ url: `/v1/audit-log/export.${format}${query}` })
  expect(response.statusCode).toBe(200)
  return response.body
}

/** RFC 4180, as a spreadsheet reads it. */
function parseCsv(text: string): string[][] {
  return text
    .split('\r\n')
    .slice(0, -1)
    .map((line) => [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell]) => String(cell).replaceAll('""', '"')))
}

describe('the NDJSON export', () => {
  it('is a download of all entries, newest first, as the list has them', async () => {
    await recordMany(app, user, 5)
    const response = await user.request({ url: '/v1/audit-log/export.ndjson' })
    expect(response.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': 'attachment; filename="audit-log.ndjson"',
    })
    const lines = response.body.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(await list(user, '?limit=100'))
  })

  it('has every entry of a log that is larger than a batch, once', async () => {
    const { checked } = await verify(user)
    await Promise.all(Array.from({ length: 450 }, () => record(app, user)))
    const lines = (await exportOf('ndjson')).trimEnd().split('\n')
    const sequences = lines.map((line) => JSON.parse(line).sequence)
    expect(sequences).toEqual(Array.from({ length: checked + 451 }, (_, index) => checked + 451 - index))
  })

  it('takes the filters of the list, and shows nothing of another tenant', async () => {
    await record(app, user, { action: 'opened', after: { word: 'sesame' } })
    await record(app, user, { action: 'closed' })
    const stranger = await TestUser.register(app)
    await record(app, stranger, { action: 'opened', after: { word: 'sesame' } })
    for (const query of ['?action=opened', '?q=sesame']) {
      const entries = (await exportOf('ndjson', query)).trimEnd().split('\n')
      expect(entries.map((line) => JSON.parse(line))).toEqual(await list(user, query))
      expect(entries).toHaveLength(1)
    }
    expect(await exportOf('ndjson', '?action=none')).toBe('')
  })

  it('is verified by the program in the README, which finds what was tampered with', async () => {
    await record(app, user, {
      before: { 'ö😀': [1e21, 0.1, null] },
      after: { text: '\u2028"\\\n', deep: { b: 1, a: 2 } },
    })
    await recordMany(app, user, 3)
    const folder = mkdtempSync(join(tmpdir(), 'temponest-audit-'))
    try {
      const program = join(folder, 'verify.mjs')
      writeFileSync(program, String(/```js\n([\s\S]*?)```/.exec(readFileSync(README, 'utf8'))?.[1]))
      const run = (input: string): string =>
        execFileSync(process.execPath, [program, user.tenantId], { input, encoding: 'utf8', env: {}, stdio: 'pipe' })
      const whole = await exportOf('ndjson')
      const { head } = await verify(user)
      expect(run(whole)).toBe(`${head?.sequence} entries, head ${head?.hash}\n`)
      await tamper(app, `UPDATE audit_log SET address = '192.0.2.9' WHERE tenant_id = $1 AND sequence = $2`, [
        user.tenantId,
        Number(head?.sequence) - 1,
      ])
      const forged = await exportOf('ndjson')
      expect(() => run(forged)).toThrow(`broken at ${Number(head?.sequence) - 1}`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('an export', () => {
  it('is an entry itself, with its filters but not the words searched for, and begins with it', async () => {
    const [first] = (await exportOf('ndjson')).split('\n')
    await exportOf('csv', '?action=opened&q=somebody')
    const entries = await list(user, '?action=sensitive_read')
    expect(entries).toEqual([
      expect.objectContaining({
        actor: { type: 'user', id: user.userId },
        resource: { type: 'audit_log', id: 'csv' },
        after: { action: 'opened', q: '[not kept]' },
      }),
      expect.objectContaining({ resource: { type: 'audit_log', id: 'ndjson' }, after: {} }),
    ])
    expect(JSON.parse(String(first))).toEqual(entries[1])
  })

  it('that cannot be written down is not given', async () => {
    const before = await verify(user)
    failure = new Error('no audit today')
    expect((await user.request({ url: '/v1/audit-log/export.ndjson' })).statusCode).toBe(500)
    failure = undefined
    expect(await verify(user)).toEqual(before)
  })
})

describe('the CSV export', () => {
  it('is a download with a header and a line an entry', async () => {
    await record(app, user, { action: 'opened', after: { text: 'a "b", c\r\nd' } })
    const response = await user.request({ url: '/v1/audit-log/export.csv?action=opened' })
    expect(response.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="audit-log.csv"',
    })
    const [names = [], cells = [], ...rest] = parseCsv(response.body)
    const [entry] = await list(user, '?action=opened')
    expect(rest).toEqual([])
    expect(Object.fromEntries(names.map((name, index) => [name, cells[index]]))).toEqual({
      sequence: String(entry?.sequence),
      id: entry?.id,
      occurredAt: entry?.occurredAt,
      actorType: 'system',
      actorId: '',
      action: 'opened',
      resourceType: 'thing',
      resourceId: '1',
      before: '',
      after: '{"text":"a \\"b\\", c\\r\\nd"}',
      address: '',
      requestId: '',
      hash: entry?.hash,
    })
  })

  it('has no cell that a spreadsheet would run', async () => {
    for (const id of [`=HYPERLINK("http://evil")`, '+1', '-1', '@SUM(A1)', '\t=1']) {
      await record(app, user, { action: 'injected', resource: { type: '=cmd', id }, actor: { type: 'user', id } })
    }
    const [, ...lines] = parseCsv(await exportOf('csv', '?action=injected'))
    expect(lines).toHaveLength(5)
    for (const cell of lines.flat()) expect(cell).not.toMatch(/^\s*[=+\-@]/)
    expect(lines.at(-1)?.[4]).toBe(`'=HYPERLINK("http://evil")`)
  })

  it('is a header alone where nothing matches', async () => {
    expect(parseCsv(await exportOf('csv', '?action=none'))).toHaveLength(1)
  })
})

describe.each(['ndjson', 'csv'])('an export as %s', (format) => {
  it.each(['?limit=5', '?cursor=MQ', '?q=', '?from=now'])('refuses %s', async (query) => {
    const response = await user.request({ url: `/v1/audit-log/export.${format}${query}` })
    expectProblem(response, { status: 400, code: 'validation_failed' })
  })

  it('that cannot begin is a problem, not an empty file', async () => {
    await app.sql('ALTER TABLE audit_log RENAME TO audit_log_away')
    const response = await user.request({ url: `/v1/audit-log/export.${format}` })
    await app.sql('ALTER TABLE audit_log_away RENAME TO audit_log')
    expectProblem(response, { status: 500, code: 'internal' })
  })
})

describe('an export that fails on its way', () => {
  it('breaks off where the client sees it, having read no further than the client took', async () => {
    // Some 16 MB: more than all buffers between the table and a client that does not read.
    await app.sql(
      `INSERT INTO audit_log (tenant_id, sequence, id, occurred_at, actor_type, action, resource_type, resource_id, after, hash)
       SELECT $1, 1000 + i, gen_random_uuid(), now(), 'system', 'large', 'x', 'x',
              jsonb_build_object('text', repeat('x', 8000)), '' FROM generate_series(1, 2000) i`,
      [user.tenantId],
    )
    const url = await app.listen()
    const response = await fetch(`${url}/v1/audit-log/export.ndjson`, {
      // As it is: what repeats itself packs so well that all of it would be on its way.
      headers: { authorization: `Bearer ${user.accessToken}`, 'accept-encoding': 'identity' },
    })
    expect(response.status).toBe(200)
    await app.sql('ALTER TABLE audit_log RENAME TO audit_log_away')
    await expect(response.text()).rejects.toThrow('terminated')
    await app.sql('ALTER TABLE audit_log_away RENAME TO audit_log')
  })
})
