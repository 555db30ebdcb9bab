import { describe, expect, it } from '@jest/globals'
import { PinoLogger } from 'nestjs-pino'
import { SchemaMatcher } from '#platform/json-schema/schema-matcher.js'
import { OutputReader } from './output-reader.service.js'

const reader = new OutputReader(new SchemaMatcher(new PinoLogger({ pinoHttp: { level: 'silent' } })))
const schema = {
  type: 'object',
  required: ['answer'],
  properties: { answer: { type: 'string' } },
  additionalProperties: false,
}

describe('checkSchema', () => {
  it('takes a schema, and a property that is called like a keyword', () => {
    expect(() => reader.checkSchema({ ...schema, properties: { pattern: { type: 'string' } } })).not.toThrow()
  })

  it.each([
    ['a regular expression of the caller', { type: 'string', pattern: '(a+)+$' }],
    ['nested regular expressions', { properties: { a: { patternProperties: { '(a+)+$': {} } } } }],
    ['a schema that is none', { type: 'strnig' }],
    ['a schema elsewhere', { $ref: 'https://example.com/schema.json' }],
    [
      'a reference of another dialect',
      { allOf: [{ items: { $recursiveRef: '#' } }, { items: { $recursiveRef: '#' } }] },
    ],
    ['a dynamic reference', { items: { $dynamicRef: '#node' } }],
    ['a comparison of each item with each other', { type: 'array', uniqueItems: true }],
    ['a schema beyond the limit', { description: 'x'.repeat(20_001) }],
    ['a schema too deep', JSON.parse('{"items":'.repeat(30) + '{}' + '}'.repeat(30)) as Record<string, unknown>],
  ])('refuses %s', (_, bad) => {
    expect(() => reader.checkSchema(bad)).toThrow('validation_failed')
  })
})

describe('readRequired', () => {
  it.each(['{"answer":"42"}', ' {"answer":"42"}\n', 'Here:\n```json\n{"answer":"42"}\n```'])(
    'reads %j',
    async (text) => {
      expect(await reader.readRequired(text, schema)).toEqual({ data: { answer: '42' }, mismatch: null })
    },
  )

  it.each([
    ['', 'it is not JSON'],
    ['no', 'it is not JSON'],
    ['```json\n{"answer":"4', 'it is not JSON'],
    ['null', expect.stringContaining('object')],
    ['{"answer":42}', expect.stringContaining('string')],
    ['{"answer":"42","more":1}', expect.stringContaining('additional')],
  ])('says what is wrong with %j', async (text, mismatch) => {
    expect(await reader.readRequired(text, schema)).toEqual({ data: null, mismatch })
  })
})

describe('findDefault', () => {
  it('takes the last fenced block that matches, and nothing else', async () => {
    const text = '```json\n{"answer":"first"}\n```\ntext\n```json\n{"answer":"last"}\n```\n'
    expect(await reader.findDefault(text, schema)).toEqual({ answer: 'last' })
    expect(await reader.findDefault('plain words', schema)).toBeNull()
    expect(await reader.findDefault('```json\n{"wrong":1}\n```', schema)).toBeNull()
  })

  it('stays fast on a text that is full of openings', async () => {
    expect(await reader.findDefault('```json\n'.repeat(100_000), schema)).toBeNull()
  })
})
