import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { JsonSchema } from './operations.js'

const MAX_TEXT = 200
const MAX_ITEMS = 5
const MAX_KEYS = 4
/** What looks harmless to a schema and is not: injection, traversal, control and odd characters, numbers of other kinds. */
const NASTY_TEXTS = [
  `' OR '1'='1`,
  `'; DROP TABLE users; --`,
  '<script>alert(1)</script>',
  '../../../../etc/passwd',
  '$(id)',
  '{{7*7}}',
  '\u0000',
  '\uD800',
  '\u202E',
  '%00',
  '__proto__',
  'constructor',
  '9'.repeat(MAX_TEXT),
  '-1',
  'NaN',
  'null',
  '',
  ' ',
]

/** Values for a JSON Schema of the document: mostly what it asks for, now and then anything at all. */
export function arbitraryOf(schema: JsonSchema, components: Readonly<Record<string, JsonSchema>>): Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: conforming(schema, components) }, { weight: 1, arbitrary: anything() })
}

function anything(): Arbitrary<unknown> {
  return fc.oneof(
    fc.constantFrom<unknown>(...NASTY_TEXTS),
    fc.jsonValue({ maxDepth: 2 }),
    fc.double(),
    fc.bigInt().map(String),
  )
}

function conforming(schema: JsonSchema, components: Readonly<Record<string, JsonSchema>>): Arbitrary<unknown> {
  const inner = (part: unknown): Arbitrary<unknown> => arbitraryOf(part as JsonSchema, components)
  const { $ref, const: constant, enum: values, anyOf, oneOf, allOf, type } = schema as Record<string, never>
  if ($ref !== undefined) return inner(components[String($ref).split('/').at(-1) ?? ''] ?? {})
  if (constant !== undefined) return fc.constant(constant)
  if (Array.isArray(values)) return fc.constantFrom<unknown>(...(values as unknown[]))
  const alternatives = (anyOf ?? oneOf ?? allOf) as unknown
  if (Array.isArray(alternatives)) return fc.oneof(...alternatives.map(inner))
  switch (String(type)) {
    case 'string':
      return textOf(schema)
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(inner(schema['items'] ?? {}), { maxLength: MAX_ITEMS })
    case 'object':
      return objectOf(schema, inner)
    default:
      return anything()
  }
}

function textOf({ format, minLength = 0, maxLength = MAX_TEXT }: JsonSchema): Arbitrary<unknown> {
  const bounds = { minLength: Math.min(Number(minLength), MAX_TEXT), maxLength: Math.min(Number(maxLength), MAX_TEXT) }
  const plain = fc.oneof(
    fc.string(bounds),
    fc.string({ ...bounds, unit: 'grapheme' }),
    fc.constantFrom(...NASTY_TEXTS),
    fc.stringMatching(/^[a-z0-9-]{1,30}$/),
  )
  if (format === 'uuid') return fc.oneof({ weight: 4, arbitrary: fc.uuid() }, { weight: 1, arbitrary: plain })
  if (format === 'email') return fc.oneof({ weight: 4, arbitrary: fc.emailAddress() }, { weight: 1, arbitrary: plain })
  if (format === 'date-time') {
    const dates = fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
    return fc.oneof({ weight: 4, arbitrary: dates }, { weight: 1, arbitrary: plain })
  }
  return plain
}

function numberOf({ type, minimum, maximum }: JsonSchema): Arbitrary<unknown> {
  const [min, max] = [Number(minimum ?? -1000), Number(maximum ?? 1000)]
  const edges = fc.constantFrom(min - 1, min, max, max + 1, 0, -0, Number.MAX_SAFE_INTEGER, 1.5, 1e300)
  const inside =
    type === 'integer'
      ? fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31 - 1) })
      : fc.double({ min, max, noNaN: true })
  return fc.oneof({ weight: 3, arbitrary: inside }, { weight: 1, arbitrary: edges })
}

function objectOf(schema: JsonSchema, inner: (part: unknown) => Arbitrary<unknown>): Arbitrary<unknown> {
  const {
    properties = {},
    required = [],
    additionalProperties,
  } = schema as {
    properties?: Record<string, unknown>
    required?: string[]
    additionalProperties?: unknown
  }
  const known = fc.record(Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, inner(part)])), {
    requiredKeys: required.filter((name) => name in properties),
  })
  if (typeof additionalProperties !== 'object' || additionalProperties === null) return known
  return fc.dictionary(fc.string({ maxLength: 70 }), inner(additionalProperties), { maxKeys: MAX_KEYS })
}
