import { describe, expect, it } from '@jest/globals'
import { DatabaseError } from 'pg'
import { isContended, isLockTimeout, toAppError } from './database-error.js'

function failure(code: string): DatabaseError {
  return Object.assign(new DatabaseError('refused', 7, 'error'), { code })
}

describe('what the driver threw', () => {
  it.each([
    ['a lost connection', '08006'],
    ['a server that stops', '57P01'],
    ['a statement that took too long', '57014'],
    ['too many clients', '53300'],
    ['a deadlock', '40P01'],
    ['a conflict of transactions', '40001'],
    ['a lock that is not to be had', '55P03'],
    ['a full disk', '53100'],
    ['no memory', '53200'],
    ['a transaction that was idle for too long', '25P03'],
  ])('is unavailable for %s, so that the caller tries again', (_, code) => {
    expect(toAppError(failure(code))).toMatchObject({ code: 'unavailable', kind: 'unavailable' })
  })

  it('is our own mistake for anything else, and stays what it is', () => {
    const error = failure('42P01')
    expect(toAppError(error)).toBe(error)
  })
})

describe('a lock that somebody keeps', () => {
  it('is said to be one, and not to be a database that is away', () => {
    const error = toAppError(failure('55P03'))
    expect(isLockTimeout(error)).toBe(true)
    expect(error).toMatchObject({ detail: expect.stringContaining('try again'), retryAfterSeconds: 2 })
    expect(isLockTimeout(toAppError(failure('57014')))).toBe(false)
    expect(isLockTimeout(new Error('anything'))).toBe(false)
  })
})

describe('what stood in the way of others', () => {
  it.each(['40001', '40P01', '55P03', '57014'])('may succeed in parts: %s', (code) => {
    expect(isContended(toAppError(failure(code)))).toBe(true)
  })

  it.each(['08006', '53300', '57P01', '42P01'])(
    'does not where the database is away, or it is our own mistake: %s',
    (code) => {
      expect(isContended(toAppError(failure(code)))).toBe(false)
    },
  )
})
