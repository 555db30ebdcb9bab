import { DatabaseError } from 'pg'
import { QueryFailedError } from 'typeorm'
import { AppError } from '#kernel/app-error.js'

/**
 * SQLSTATE classes and codes that mean "the database is not there just now": connection trouble, shutdown, a statement that took
 * too long, no room left (53: disk, memory, connections), a transaction that was idle for too long, and those of which one side
 * is told to try again: a deadlock, a conflict of serializable transactions.
 */
const UNAVAILABLE_SQLSTATE = /^(08|53|57P0|57014|25P03|40001|40P01)/
const LOCK_NOT_AVAILABLE = '55P03'
/** A text that PostgreSQL refuses: 22021 character not in repertoire, 22P05 untranslatable character. */
const UNSTORABLE_SQLSTATES = new Set(['22021', '22P05'])
const UNAVAILABLE_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])
const UNAVAILABLE_MESSAGE =
  /timeout exceeded when trying to connect|Connection terminated|is not queryable|Query read timeout/

/** What the driver threw as what the app says: a database that is away is `unavailable`, a text that it refuses `validation_failed`. */
export function toAppError(thrown: unknown): unknown {
  // TypeORM's wrapper carries the statement's parameters, which must not reach a log.
  const error: unknown = thrown instanceof QueryFailedError ? thrown.driverError : thrown
  if (typeof error !== 'object' || error === null || error instanceof AppError) return error
  const { code = '', message = '' } = error as { code?: string; message?: string }
  if (UNSTORABLE_SQLSTATES.has(code)) {
    const detail = 'A text has a character that cannot be stored, such as a null character.'
    return new AppError('validation_failed', 'invalid', { detail, cause: error })
  }
  if (code === LOCK_NOT_AVAILABLE) {
    return new AppError('unavailable', 'unavailable', {
      detail: 'Other work holds what this needs, and did not let go of it in time. Nothing was changed: try again.',
      retryAfterSeconds: 2,
      cause: error,
    })
  }
  const unavailable =
    UNAVAILABLE_CODES.has(code) || UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_MESSAGE.test(message)
  if (!unavailable) return error
  return new AppError('unavailable', 'unavailable', {
    detail: 'The database is not available.',
    retryAfterSeconds: 2,
    cause: error,
  })
}

/** Whether the database, or another part of ours, is away just now: what was asked of it may be asked again. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'unavailable'
}

/** A deadlock or another conflict, a lock that was not to be had in time, a statement that took too long: the database is there. */
const CONTENTION_SQLSTATE = /^(40|55P03|57014)/

/** Whether what was asked for stood in somebody's way, or somebody in its: less of it may succeed. */
export function isContended(error: unknown): boolean {
  const cause = error instanceof AppError ? error.cause : error
  return cause instanceof DatabaseError && CONTENTION_SQLSTATE.test(cause.code ?? '')
}

/** Whether a lock was not to be had in time: nothing was written, and what needs other locks is not concerned. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof AppError && (error.cause as { code?: string } | undefined)?.code === LOCK_NOT_AVAILABLE
}
