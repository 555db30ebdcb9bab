import { describe, expect, it } from '@jest/globals'
import { AppError } from '#kernel/app-error.js'
import { assertUsableSchema, compileSchema, findMismatch, isQuick, MAX_QUICK_WORK } from './json-schema.js'

function refusalOf(schema: Record<string, unknown>): AppError | undefined {
  try {
    assertUsableSchema(schema, '/here')
    return undefined
  } catch (error) {
    return error as AppError
  }
}

describe('assertUsableSchema', () => {
  it('complains at the place that it was told', () => {
    expect(refusalOf({ type: 'strnig' })?.errors).toEqual([
      { pointer: '/here', detail: expect.stringMatching(/^is not a usable JSON Schema: /) },
    ])
  })

  it('refuses a check that would answer later, which would pass for a match', () => {
    expect(refusalOf({ $async: true })?.errors?.[0]?.detail).toBe('must not use $async')
  })

  it('takes 300 objects and lists, and no more', () => {
    // The root, `allOf`, and the rest within it.
    const schemaOf = (nodes: number) => ({ allOf: Array.from({ length: nodes - 2 }, () => ({})) })
    expect(refusalOf(schemaOf(300))).toBeUndefined()
    expect(refusalOf(schemaOf(301))?.errors?.[0]?.detail).toBe('must have at most 300 objects and lists in it')
  })

  it('takes schemas nested 20 deep, and no deeper', () => {
    const schemaOf = (depth: number) => JSON.parse('{"items":'.repeat(depth) + '{}' + '}'.repeat(depth))
    expect(refusalOf(schemaOf(20))).toBeUndefined()
    expect(refusalOf(schemaOf(21))?.errors?.[0]?.detail).toBe('must be nested at most 20 deep')
  })
})

describe('findMismatch', () => {
  it('names the place and the reason', () => {
    const compiled = compileSchema({ properties: { answer: { type: 'string' } } })
    expect(findMismatch(compiled, { answer: 'yes' })).toBeNull()
    expect(findMismatch(compiled, { answer: 42 })).toBe('/answer must be string')
  })
})

describe('isQuick', () => {
  it('counts the members of lists, names and characters, of schema and value', () => {
    // The root and `enum` with its items; the letters of the name.
    const compiled = compileSchema({ enum: Array.from({ length: 994 }, (_, index) => index) })
    expect(compiled.size).toBe(1000)
    const fits = MAX_QUICK_WORK / 1000
    for (const valueOf of [
      (size: number) => Array.from({ length: size - 1 }, () => 0),
      (size: number) => 'x'.repeat(size - 1),
      (size: number) => ({ ['x'.repeat(size - 2)]: null }),
    ]) {
      expect([isQuick(compiled, valueOf(fits)), isQuick(compiled, valueOf(fits + 1))]).toEqual([true, false])
    }
  })
})
