import { describe, expect, it } from '@jest/globals'
import { z } from 'zod'
import { takeNullsAsAbsent } from './absent-nulls.js'

const limits = z.strictObject({ maxSteps: z.int().optional(), timeoutSeconds: z.int() })
const schema = z
  .strictObject({
    task: z.string().min(1),
    context: z.string().trim().optional(),
    email: z
      .string()
      .transform((text) => text.trim())
      .pipe(z.email())
      .optional(),
    cache: z.enum(['use', 'off']).default('use'),
    agent: z.string().nullish(),
    anything: z.unknown().optional(),
    limits: limits.optional(),
    nullableLimits: limits.nullish(),
    defaultLimits: limits.default({ timeoutSeconds: 1 }),
    neededLimits: limits.refine(({ timeoutSeconds }) => timeoutSeconds > 0),
    metadata: z.record(z.string(), z.string()).optional(),
    list: z.array(limits).optional(),
    choice: z.union([limits, z.string()]).optional(),
  })
  .partial({ neededLimits: true })
  .check(z.refine(() => false, { when: () => true }))
  .meta({ id: 'Example' })

describe('takeNullsAsAbsent', () => {
  it.each(['context', 'email', 'cache', 'limits', 'defaultLimits', 'neededLimits', 'metadata', 'list', 'choice'])(
    'leaves %s out when it is null',
    (key) => {
      expect(takeNullsAsAbsent(schema, { task: 'x', [key]: null })).toEqual({ task: 'x' })
      expect(Object.keys(takeNullsAsAbsent(schema, { task: 'x', [key]: null }) as object)).toEqual(['task'])
    },
  )

  it.each(['task', 'agent', 'anything', 'unknown', 'toString'])('keeps the null of %s', (key) => {
    expect(takeNullsAsAbsent(schema, { [key]: null })).toEqual({ [key]: null })
  })

  it.each(['limits', 'nullableLimits', 'defaultLimits', 'neededLimits'])('looks into %s', (key) => {
    const sent = { [key]: { maxSteps: null, timeoutSeconds: null } }
    expect(takeNullsAsAbsent(schema, sent)).toEqual({ [key]: { timeoutSeconds: null } })
  })

  it.each([
    ['a record', { metadata: { maxSteps: null } }],
    ['a list', { list: [null, { maxSteps: null }] }],
    ['a choice', { choice: { maxSteps: null } }],
    ['what the schema takes as it is', { anything: { maxSteps: null } }],
    ['a list in place of an object', { limits: [null] }],
    ['a text in place of an object', { limits: 'maxSteps' }],
  ])('does not look into %s', (_, sent) => {
    expect(takeNullsAsAbsent(schema, sent)).toEqual(sent)
  })

  it('takes null for no body where none is needed', () => {
    expect(takeNullsAsAbsent(limits.optional(), null)).toBeUndefined()
    expect(takeNullsAsAbsent(limits, null)).toBeNull()
    expect(takeNullsAsAbsent(limits, undefined)).toBeUndefined()
  })

  it('changes nothing of what was sent', () => {
    const sent = { context: null, limits: { maxSteps: null } }
    takeNullsAsAbsent(schema, sent)
    expect(sent).toEqual({ context: null, limits: { maxSteps: null } })
  })
})
