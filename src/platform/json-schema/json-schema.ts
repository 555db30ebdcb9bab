import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { invalidField } from '#kernel/app-error.js'
import { isDeeperThan } from '#kernel/json-depth.js'
import type { SchemaCheck, SchemaError } from './json-schema.worker.js'

export type JsonSchema = Record<string, unknown>

/** A schema that is ready to be matched against. */
export interface CompiledSchema {
  readonly schema: JsonSchema
  readonly validate: ValidateFunction
  /** As `isQuick` counts. */
  readonly size: number
}

const MAX_SCHEMA_BYTES = 20_000
const MAX_SCHEMA_DEPTH = 20
/** Compiling takes time with the number of subschemas, not with their length. */
const MAX_SCHEMA_NODES = 300
/** Deeper values can run a check, or the database, out of stack. */
const MAX_VALUE_DEPTH = 100
const MAX_ERROR_LENGTH = 500
/** The core keywords that refer to nothing. */
const HARMLESS_CORE_KEYWORDS = new Set(['$schema', '$id', '$comment', '$defs', '$anchor', '$vocabulary'])
/** Values that cost no more to check, in members of the schema times members and characters of the value: a few milliseconds. */
export const MAX_QUICK_WORK = 1_000_000
const AJV_OPTIONS = { strict: false, allErrors: false, validateFormats: false }
const COMPILE_OPTIONS = { ...AJV_OPTIONS, meta: false, validateSchema: false }
/** Knows the dialect itself, which is what takes long to make. It keeps no schema that it checks. */
const metaSchemas = new Ajv2020(AJV_OPTIONS)

/**
 * Refuses a client's schema (JSON Schema 2020-12) that cannot be used, or that could be used against us.
 * @param pointer where the client has put it, such as `/outputSchema`
 * @throws AppError `validation_failed` there
 */
export function assertUsableSchema(schema: JsonSchema, pointer: string): void {
  // An asynchronous check answers with a promise, which would pass for a match.
  const refused = Object.hasOwn(schema, '$async') ? 'must not use $async' : findRefusal(schema)
  if (refused !== null) throw invalidField(pointer, refused)
  if (Buffer.byteLength(JSON.stringify(schema)) > MAX_SCHEMA_BYTES) {
    throw invalidField(pointer, `must be at most ${MAX_SCHEMA_BYTES} bytes`)
  }
  try {
    void metaSchemas.validateSchema(schema, true)
    compileSchema(schema)
  } catch (error) {
    const detail = `is not a usable JSON Schema: ${(error as Error).message}`
    throw invalidField(pointer, detail.slice(0, MAX_ERROR_LENGTH))
  }
}

/** The dialect is checked against the shared instance. A compiler of its own each time: one that lives on would keep every schema that it has ever seen. */
export function compileSchema(schema: JsonSchema): CompiledSchema {
  const { $schema: _, ...plain } = schema
  return { schema: plain, validate: new Ajv2020(COMPILE_OPTIONS).compile(plain), size: sizeOf(plain) }
}

/** What a check needs in another thread. */
export function toSchemaCheck({ schema }: CompiledSchema, value: unknown): SchemaCheck {
  return { options: COMPILE_OPTIONS, schema, value }
}

/** Whether a value may be checked at once: others wait for the event loop meanwhile. */
export function isQuick({ size }: CompiledSchema, value: unknown): boolean {
  return size * sizeOf(value) <= MAX_QUICK_WORK
}

/** Why a value is not looked at at all; null: it is. */
export function findExcess(value: unknown): string | null {
  return isDeeperThan(MAX_VALUE_DEPTH, value) ? `it is nested more than ${MAX_VALUE_DEPTH} deep` : null
}

/** Why the value, which must not be excessive, does not match; null when it does. */
export function findMismatch({ validate }: CompiledSchema, value: unknown): string | null {
  try {
    return validate(value) ? null : describeErrors(validate.errors ?? [])
  } catch (error) {
    return `it cannot be checked: ${(error as Error).message}`
  }
}

export function describeErrors(errors: readonly SchemaError[]): string {
  return errors.map(({ instancePath, message }) => `${instancePath || '/'} ${message ?? 'is wrong'}`).join('; ')
}

function findRefusal(schema: JsonSchema): string | null {
  const refused = findRefusedKeyword(schema, 0)
  if (refused !== null) return refused
  return countNodes(schema) > MAX_SCHEMA_NODES ? `must have at most ${MAX_SCHEMA_NODES} objects and lists in it` : null
}

function countNodes(node: unknown): number {
  if (typeof node !== 'object' || node === null) return 0
  return Object.values(node).reduce<number>((count, child) => count + countNodes(child), 1)
}

function findRefusedKeyword(node: unknown, depth: number): string | null {
  if (typeof node !== 'object' || node === null) return null
  if (depth > MAX_SCHEMA_DEPTH) return `must be nested at most ${MAX_SCHEMA_DEPTH} deep`
  for (const [key, value] of Object.entries(node)) {
    if (isRefused(key, value)) return `must not use ${key}`
    const found = findRefusedKeyword(value, depth + 1)
    if (found !== null) return found
  }
  return null
}

/**
 * Ways to stop the event loop: a regular expression of the caller's over a text of the model's, and references, with which
 * twenty lines can ask for 2^30 checks, whatever the dialect calls them; and comparing each item of a list with each other.
 * A property that happens to be called `pattern` holds a schema; the keyword holds a text, or true.
 */
function isRefused(key: string, value: unknown): boolean {
  if (key === 'patternProperties') return typeof value !== 'boolean'
  if (key === 'uniqueItems') return value === true
  return typeof value === 'string' && (key === 'pattern' || (key.startsWith('$') && !HARMLESS_CORE_KEYWORDS.has(key)))
}

/** All members of objects and lists, and the characters of all texts: what a check may have to look at. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 1 + value.length
  if (typeof value !== 'object' || value === null) return 1
  if (Array.isArray(value)) return value.reduce<number>((size, item) => size + sizeOf(item), 1)
  return Object.entries(value).reduce((size, [key, inner]) => size + key.length + sizeOf(inner), 1)
}
