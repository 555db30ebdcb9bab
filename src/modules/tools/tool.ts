import type { z } from 'zod'
import type { FieldError } from '#kernel/app-error.js'

/** What models accept as the name of a tool. */
export const TOOL_NAME_PATTERN = /^[a-zA-Z0-9_-]{1,64}$/
export const MAX_TOOL_NAME_LENGTH = 64

/** An agent's wish to use a tool of the registry. */
export interface ToolUse {
  /** Name in the registry: `http_request`, `mcp`. */
  readonly tool: string
  /** Absent: as the tool itself says. */
  readonly requireApproval?: boolean | undefined
  readonly config: Readonly<Record<string, unknown>>
}

/** A tool as a model, and whoever runs it, needs to know it. */
export interface ToolDescription {
  /** What the model calls: `[a-zA-Z0-9_-]{1,64}`, no two alike in one `open`. */
  readonly name: string
  readonly description: string
  /** JSON Schema of the arguments. */
  readonly inputSchema: Record<string, unknown>
  /** Whether a call may be repeated of which nobody knows if it happened. */
  readonly isIdempotent: boolean
  readonly needsApproval: boolean
  readonly timeoutMs: number
}

export interface ToolCallContext {
  readonly tenantId: string
  readonly runId: string
  /** The same when a call is repeated after a crash: sent on as `Idempotency-Key` where that makes sense. */
  readonly callId: string
  readonly signal: AbortSignal
}

/** What the model is told. `isError`: that it did not work, in words that help the model to go on. */
export interface ToolResult {
  readonly text: string
  readonly isError: boolean
}

/**
 * A tool that is ready to be called. `call` rejects only with the reason of `context.signal`, or for a bug: all else is a
 * result with `isError`. It keeps to its timeout by itself.
 */
export interface BoundTool extends ToolDescription {
  call(args: unknown, context: ToolCallContext): Promise<ToolResult>
}

/** A `ToolUse` whose config the tool's own schema has read. */
export interface CheckedUse<Config> {
  readonly config: Config
  readonly requireApproval?: boolean | undefined
}

/** A tool of the registry: one class in one file of `catalogue/`, and a line in `tools.module.ts`. */
export abstract class Tool<Config = unknown> {
  /** In the registry. */
  abstract readonly name: string
  abstract readonly configSchema: z.ZodType<Config>

  /** The names for models that are known from the config alone: no two uses of an agent may have the same. */
  abstract namesOf(config: Config): readonly string[]

  /** What is wrong with a config that its schema takes; pointers begin at the config. Asks the database at most. */
  abstract check(tenantId: string, config: Config): Promise<readonly FieldError[]>

  /** @throws AppError `tool_unavailable` */
  abstract bind(tenantId: string, use: CheckedUse<Config>, signal: AbortSignal): Promise<BoundTool[]>
}
