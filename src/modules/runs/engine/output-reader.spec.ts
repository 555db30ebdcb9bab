import { describe, expect, it } from '@jest/globals'
import { OutputReader } from './output-reader.service.js'

const reader = new OutputReader()
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
  it.each(['{"answer":"42"}', ' {"answer":"42"}\n', 'Here:\n```json\n{"answer":"42"}\n```'])('reads %j', (text) => {
    expect(reader.readRequired(text, schema)).toEqual({ answer: '42' })
  })

  it.each(['', 'no', 'null', '{"answer":42}', '{"answer":"42","more":1}', '```json\n{"answer":"4'])(
    'is output_invalid for %j',
    (text) => {
      expect(() => reader.readRequired(text, schema)).toThrow('output_invalid')
    },
  )
})

describe('findDefault', () => {
  it('takes the last fenced block that matches, and nothing else', () => {
    const text = '```json\n{"answer":"first"}\n```\ntext\n```json\n{"answer":"last"}\n```\n'
    expect(reader.findDefault(text, schema)).toEqual({ answer: 'last' })
    expect(reader.findDefault('plain words', schema)).toBeNull()
    expect(reader.findDefault('```json\n{"wrong":1}\n```', schema)).toBeNull()
  })

  it('stays fast on a text that is full of openings', () => {
    expect(reader.findDefault('```json\n'.repeat(100_000), schema)).toBeNull()
  })
})
