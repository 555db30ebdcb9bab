import { afterAll, describe, expect, it } from '@jest/globals'
import { PinoLogger } from 'nestjs-pino'
import { compileSchema } from './json-schema.js'
import { SchemaMatcher } from './schema-matcher.js'

describe('SchemaMatcher', () => {
  const matcher = new SchemaMatcher(new PinoLogger({ pinoHttp: { level: 'silent' } }))
  afterAll(() => matcher.onApplicationShutdown())

  it('refuses values nested more than 100 deep before it looks at them', async () => {
    const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
    const compiled = compileSchema({})
    expect(await matcher.findMismatch(compiled, nested(100))).toBeNull()
    expect(await matcher.findMismatch(compiled, nested(102))).toBe('it is nested more than 100 deep')
    expect(await matcher.findMismatch(compiled, nested(100_000))).toBe('it is nested more than 100 deep')
  })

  it('says the same of small values and of large ones', async () => {
    const compiled = compileSchema({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'array',
      items: { type: 'integer', minimum: 0, description: 'x'.repeat(100) },
    })
    for (const length of [10, 100_000]) {
      const good = Array.from({ length }, () => 1)
      expect(await matcher.findMismatch(compiled, good)).toBeNull()
      expect(await matcher.findMismatch(compiled, [...good, -1])).toBe(`/${length} must be >= 0`)
    }
  })

  it.each([
    ['many choices and many items', { items: { enum: Array.from({ length: 3600 }, (_, index) => index) } }, true],
    ['many rules for a long text', { allOf: Array.from({ length: 290 }, () => ({ minLength: 1 })) }, false],
  ])('keeps the event loop free: %s', async (_, schema, isList) => {
    const value = isList ? Array.from({ length: 200_000 }, () => 3599) : 'a'.repeat(1_000_000)
    let turns = 0
    let immediate = setImmediate(function turn() {
      turns += 1
      immediate = setImmediate(turn)
    })
    const patient = { timeoutMs: 30_000 }
    expect(await matcher.findMismatch(compileSchema(schema), value, patient)).toBeNull()
    clearImmediate(immediate)
    // A check on the loop lets it turn once or twice, before and after.
    expect(turns).toBeGreaterThan(20)
  })

  it('gives up what takes too long, and can go on after that', async () => {
    const compiled = compileSchema({ allOf: Array.from({ length: 290 }, () => ({ minLength: 1 })) })
    expect(await matcher.findMismatch(compiled, 'a'.repeat(1_900_000), { timeoutMs: 20 })).toBe(
      'it is too large to be checked',
    )
    expect(await matcher.findMismatch(compiled, 'a'.repeat(10_000))).toBeNull()
  })
})
