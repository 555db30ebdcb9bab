import { Injectable } from '@nestjs/common'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { AppError, invalidField } from '#kernel/app-error.js'

const MAX_SCHEMA_BYTES = 20_000
const MAX_SCHEMA_DEPTH = 20
/** Compiling takes time with the number of subschemas, not with their length. */
const MAX_SCHEMA_NODES = 300
/** Deeper values can run a check, or the database, out of stack. */
const MAX_VALUE_DEPTH = 100
const MAX_ERROR_LENGTH = 500
/**
 * Ways to stop the event loop: a regular expression of the caller's over a text of the model's, and references, with which
 * twenty lines can ask for 2^30 checks, whatever the dialect calls them; and comparing each item of a list with each other.
 */
/** The core keywords that refer to nothing. */
const HARMLESS_CORE_KEYWORDS = new Set(['$schema', '$id', '$comment', '$defs', '$anchor', '$vocabulary'])
const FENCE = '```'
const AJV_OPTIONS = { strict: false, allErrors: false, validateFormats: false }
/** Knows the dialect itself, which is what takes long to make. It keeps no schema that it checks. */
const metaSchemas = new Ajv2020(AJV_OPTIONS)

type JsonSchema = Record<string, unknown>

/** Finds and checks the structured part of a model's answer. */
@Injectable()
export class OutputReader {
  private readonly agentValidators = new WeakMap<JsonSchema, ValidateFunction>()

  /** @throws AppError `validation_failed` at /outputSchema when the schema cannot be used */
  checkSchema(schema: JsonSchema): void {
    // An asynchronous check answers with a promise, which would pass for a match.
    const refused = Object.hasOwn(schema, '$async') ? 'must not use $async' : findRefusal(schema)
    if (refused !== null) throw invalidField('/outputSchema', refused)
    if (Buffer.byteLength(JSON.stringify(schema)) > MAX_SCHEMA_BYTES) {
      throw invalidField('/outputSchema', `must be at most ${MAX_SCHEMA_BYTES} bytes`)
    }
    try {
      void metaSchemas.validateSchema(schema, true)
      compile(schema)
    } catch (error) {
      throw invalidField(
        '/outputSchema',
        `is not a usable JSON Schema: ${(error as Error).message}`.slice(0, MAX_ERROR_LENGTH),
      )
    }
  }

  /** The value that the caller required. @throws AppError `output_invalid` when the answer is anything else */
  readRequired(text: string, schema: JsonSchema): unknown {
    const validate = compile(schema)
    const value = parseJson(text.trim()) ?? parseJson(lastFencedBlock(text) ?? '')
    const reason = value === undefined ? 'it is not JSON' : findMismatch(validate, value.json)
    if (value !== undefined && reason === null) return value.json
    throw new AppError('output_invalid', 'upstream_failed', {
      detail: `The model's answer does not match outputSchema: ${reason}`.slice(0, MAX_ERROR_LENGTH),
    })
  }

  /** The agent's own structured result from the end of a free text; null when there is none that matches. */
  findDefault(text: string, schema: JsonSchema): unknown {
    const block = parseJson(lastFencedBlock(text) ?? '')
    if (!block) return null
    let validate = this.agentValidators.get(schema)
    if (!validate) this.agentValidators.set(schema, (validate = compile(schema)))
    return findMismatch(validate, block.json) === null ? block.json : null
  }
}

/** The dialect is checked against the shared instance. A compiler of its own each time: one that lives on would keep every schema that it has ever seen. */
function compile(schema: JsonSchema): ValidateFunction {
  return new Ajv2020({ ...AJV_OPTIONS, meta: false, validateSchema: false }).compile({
    ...schema,
    $schema: undefined,
  } as JsonSchema)
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

/** A property that happens to be called `pattern` holds a schema; the keyword holds a text, or true. */
function isRefused(key: string, value: unknown): boolean {
  if (key === 'patternProperties') return typeof value !== 'boolean'
  if (key === 'uniqueItems') return value === true
  return typeof value === 'string' && (key === 'pattern' || (key.startsWith('$') && !HARMLESS_CORE_KEYWORDS.has(key)))
}

function lastFencedBlock(text: string): string | undefined {
  const opening = text.lastIndexOf(`${FENCE}json`)
  if (opening === -1) return undefined
  const start = opening + FENCE.length + 'json'.length
  const closing = text.indexOf(FENCE, start)
  return closing === -1 ? undefined : text.slice(start, closing)
}

function parseJson(text: string): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** Why the value does not match; null when it does. */
function findMismatch(validate: ValidateFunction, value: unknown): string | null {
  if (isDeeperThan(MAX_VALUE_DEPTH, value)) return `it is nested more than ${MAX_VALUE_DEPTH} deep`
  try {
    return validate(value) ? null : describeErrors(validate)
  } catch (error) {
    return `it cannot be checked: ${(error as Error).message}`
  }
}

function isDeeperThan(limit: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return limit === 0 || Object.values(value).some((inner) => isDeeperThan(limit - 1, inner))
}

function describeErrors({ errors }: ValidateFunction): string {
  return (errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message ?? 'is wrong'}`).join('; ')
}
