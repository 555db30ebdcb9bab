import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import {
  assertUsableSchema,
  type CompiledSchema,
  compileSchema,
  type JsonSchema,
} from '#platform/json-schema/json-schema.js'
import { SchemaMatcher } from '#platform/json-schema/schema-matcher.js'
import type { BoundTool, ToolCallContext, ToolDescription, ToolResult } from '../tool.js'
import { boundedResult } from './tool-result.js'

/** What models give that cannot be read is handed on as text. */
const UNREADABLE = '/ must be an object; this is none, or one that is too long or nested too deep'

/** Does a call whose arguments match the schema. Its context's signal ends with the tool's timeout, too. */
export type ToolWork = (args: Record<string, unknown>, context: ToolCallContext) => Promise<ToolResult>

/** Makes a tool of a description and what it does: what all calls have in common is here. */
@Injectable()
export class ToolBinder {
  constructor(private readonly matcher: SchemaMatcher) {}

  bind(description: ToolDescription, work: ToolWork): BoundTool {
    let schema: CompiledSchema | null | undefined
    return {
      ...description,
      call: async (args, context) => {
        context.signal.throwIfAborted()
        schema ??= compileIfUsable(description.inputSchema)
        const mismatch = await this.findMismatch(schema, args)
        context.signal.throwIfAborted()
        if (mismatch !== null) return boundedResult(failed(`The arguments do not match the input schema: ${mismatch}`))
        return boundedResult(await inTime(description, work, { args: args as Record<string, unknown>, context }))
      },
    }
  }

  private async findMismatch(schema: CompiledSchema | null, args: unknown): Promise<string | null> {
    if (typeof args !== 'object' || args === null || Array.isArray(args)) return UNREADABLE
    return schema && (await this.matcher.findMismatch(schema, args))
  }
}

/**
 * Null for a schema that is beyond what we check: an MCP server's may be hostile, or just large. Then arguments go to the tool
 * unchecked, which checks them itself or fails; a tool that works is worth more than our opinion of its schema.
 */
export function compileIfUsable(schema: JsonSchema): CompiledSchema | null {
  try {
    assertUsableSchema(schema, '/inputSchema')
    return compileSchema(schema)
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

async function inTime(
  { timeoutMs, isIdempotent }: ToolDescription,
  work: ToolWork,
  { args, context }: { args: Record<string, unknown>; context: ToolCallContext },
): Promise<ToolResult> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([context.signal, timeout])
  try {
    return await untilAborted(work(args, { ...context, signal }), signal)
  } catch (error) {
    context.signal.throwIfAborted()
    if (timeout.aborted)
      return failed(`No answer within ${timeoutMs} ms.${isIdempotent ? '' : ' It may have had its effect.'}`)
    if (error instanceof AppError) return failed(error.detail ?? error.code)
    throw error
  }
}

/** Work that does not listen to its signal must not hold a run up. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function failed(text: string): ToolResult {
  return { text, isError: true }
}
