import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import type { Piscina } from 'piscina'
import { type CompiledSchema, describeErrors, findExcess, findMismatch, isQuick, toSchemaCheck } from './json-schema.js'
import { createThreadPool } from '../threads/thread-pool.js'
import type { SchemaCheck, SchemaError } from './json-schema.worker.js'

/** The largest answer against a schema that makes sense takes some 100 ms; the rest is for waiting, and for the thread to start. */
const CHECK_TIMEOUT_MS = 5000
/** Each holds a value of up to two million characters. */
const MAX_WAITING_CHECKS = 32

/**
 * Matches values against schemas, neither of which is ours: what could hold up the event loop is checked in a thread of its own,
 * started at the first use and ended when there is nothing to do.
 */
@Injectable()
export class SchemaMatcher implements OnApplicationShutdown {
  private pool: Piscina<SchemaCheck, SchemaError[]> | undefined

  constructor(private readonly logger: PinoLogger) {
    logger.setContext(SchemaMatcher.name)
  }

  /** Why the value does not match; null when it does. What cannot be checked in time does not. */
  async findMismatch(
    schema: CompiledSchema,
    value: unknown,
    { timeoutMs = CHECK_TIMEOUT_MS } = {},
  ): Promise<string | null> {
    const excess = findExcess(value)
    if (excess !== null) return excess
    if (isQuick(schema, value)) return findMismatch(schema, value)
    try {
      this.pool ??= createThreadPool(import.meta.url, 'json-schema.worker')
      // The pool's own limit does not count tasks that can be aborted.
      if (this.pool.queueSize >= MAX_WAITING_CHECKS) throw new Error(`${MAX_WAITING_CHECKS} checks are waiting already`)
      // A thread that is still at it is ended; the pool starts another.
      const errors = await this.pool.run(toSchemaCheck(schema, value), { signal: AbortSignal.timeout(timeoutMs) })
      return errors.length === 0 ? null : describeErrors(errors)
    } catch (error) {
      this.logger.warn({ err: error, event: 'schema_check_given_up' }, 'schema_check_given_up')
      return 'it is too large to be checked'
    }
  }

  async onApplicationShutdown(): Promise<void> {
    const { pool } = this
    this.pool = undefined
    await pool?.destroy()
  }
}
