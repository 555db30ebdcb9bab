import { Injectable } from '@nestjs/common'
import {
  assertUsableSchema,
  type CompiledSchema,
  compileSchema,
  type JsonSchema,
} from '#platform/json-schema/json-schema.js'
import { SchemaMatcher } from '#platform/json-schema/schema-matcher.js'

const FENCE = '```'

/** Finds and checks the structured part of a model's answer. */
@Injectable()
export class OutputReader {
  private readonly agentSchemas = new WeakMap<JsonSchema, CompiledSchema>()

  constructor(private readonly matcher: SchemaMatcher) {}

  /** @throws AppError `validation_failed` at /outputSchema when the schema cannot be used */
  checkSchema(schema: JsonSchema): void {
    assertUsableSchema(schema, '/outputSchema')
  }

  /** The value that the caller required; `mismatch` says why the answer is anything else. */
  async readRequired(text: string, schema: JsonSchema): Promise<{ data: unknown; mismatch: string | null }> {
    const value = parseJson(text.trim()) ?? parseLastBlock(text)
    if (value === undefined) return { data: null, mismatch: 'it is not JSON' }
    const mismatch = await this.matcher.findMismatch(compileSchema(schema), value.json)
    return mismatch === null ? { data: value.json, mismatch } : { data: null, mismatch }
  }

  /** The agent's own structured result from the end of a free text; null when there is none that matches. */
  async findDefault(text: string, schema: JsonSchema | undefined): Promise<unknown> {
    const block = schema && parseLastBlock(text)
    if (!block) return null
    let compiled = this.agentSchemas.get(schema)
    if (!compiled) this.agentSchemas.set(schema, (compiled = compileSchema(schema)))
    return (await this.matcher.findMismatch(compiled, block.json)) === null ? block.json : null
  }
}

function parseLastBlock(text: string): { json: unknown } | undefined {
  const block = lastFencedBlock(text)
  return block === undefined ? undefined : parseJson(block)
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
