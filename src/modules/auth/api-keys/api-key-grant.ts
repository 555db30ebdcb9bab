import { AppError, invalidField } from '#kernel/app-error.js'
import { Usd } from '#kernel/usd.js'
import { type Permission, PERMISSIONS, type Principal } from '#platform/http/principal.js'
import type { ApiKeyRecord } from './api-key.entity.js'
import type { CreateApiKeyCommand } from './api-keys.schemas.js'

/** What a new key will be able to do. */
export type Grant = Pick<ApiKeyRecord, 'scopes' | 'expiresAt' | 'rateLimitPerMinute' | 'budgetUsd'>

export interface Maker {
  readonly principal: Principal
  /** The key that asks; null for a person. */
  readonly key: ApiKeyRecord | null
  /** Requests a minute of the maker's role. */
  readonly maxRatePerMinute: number
}

/**
 * Decides what a new key may do: never more than who makes it.
 * @throws AppError `validation_failed`, `forbidden`
 */
export function grantOf(command: CreateApiKeyCommand, { principal, key, maxRatePerMinute }: Maker, now: Date): Grant {
  const asked = command.expiresAt == null ? null : new Date(command.expiresAt)
  if (asked && asked <= now) throw invalidField('/expiresAt', 'Must be in the future.')
  const rateLimitPerMinute = command.rateLimitPerMinute ?? null
  if (rateLimitPerMinute !== null && rateLimitPerMinute > maxRatePerMinute) {
    throw invalidField('/rateLimitPerMinute', `Must be at most ${maxRatePerMinute}, the limit of your role.`)
  }
  if (key) refuseToMultiply(key)
  return {
    scopes: scopesOf(command.scopes, principal.permissions),
    expiresAt: expiryOf(asked, key?.expiresAt ?? null),
    rateLimitPerMinute,
    budgetUsd: command.budgetUsd == null ? null : Usd.parse(command.budgetUsd).toString(),
  }
}

/** A key with a limit would have the limit once more with each key that it makes. */
function refuseToMultiply({ rateLimitPerMinute, budgetUsd }: ApiKeyRecord): void {
  if (rateLimitPerMinute !== null) throw forbidden('An API key with a rate limit of its own cannot make keys.')
  if (budgetUsd !== null) throw forbidden('An API key with a budget cannot make keys.')
}

function scopesOf(asked: readonly Permission[] | undefined, own: ReadonlySet<Permission>): Permission[] {
  const missing = (asked ?? []).filter((permission) => !own.has(permission))
  if (missing.length > 0) throw forbidden(`You cannot give what you do not have: ${[...new Set(missing)].join(', ')}.`)
  const granted: ReadonlySet<Permission> = asked ? new Set(asked) : own
  return PERMISSIONS.filter((permission) => granted.has(permission))
}

/** A key that ends makes no key that goes on: who lost one of a day would have lost all of them for ever. */
function expiryOf(asked: Date | null, ofMaker: Date | null): Date | null {
  if (asked && ofMaker && asked > ofMaker) {
    throw forbidden(`expiresAt must not be after the end of the API key that makes it: ${ofMaker.toISOString()}.`)
  }
  return asked ?? ofMaker
}

function forbidden(detail: string): AppError {
  return new AppError('forbidden', 'forbidden', { detail })
}
