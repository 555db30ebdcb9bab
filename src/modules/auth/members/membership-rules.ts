import { AppError } from '#kernel/app-error.js'
import { type Principal, type Role, ROLES } from '#platform/http/principal.js'
import { permissionsOf } from '../permissions.js'

/** A member as far as the rules look at him. */
export interface Standing {
  readonly role: Role
  /** Suspended since; null: not. */
  readonly disabledAt: Date | null
}

/** The roles that a role may give and take: its own and those below. Nobody raises himself, and only owners make owners. */
export function rolesWithin(role: Role): readonly Role[] {
  return ROLES.slice(ROLES.indexOf(role))
}

/** @throws AppError `forbidden` when `role`, held or to be given, is above the actor's own */
export function assertWithin(actor: Role, role: Role): void {
  if (rolesWithin(actor).includes(role)) return
  throw new AppError('forbidden', 'forbidden', { detail: `Your role has no say over the role ${role}.` })
}

/**
 * An API key has a say only over who can do no more than the key itself: else it would make an owner, or strike one out,
 * with the one permission members:write.
 * @throws AppError `forbidden` when `role`, held or to be given, is above the actor's own, or has what his key has not
 */
export function assertHasSay({ role: own, apiKeyId, permissions }: Principal, role: Role): void {
  assertWithin(own, role)
  if (apiKeyId === null || permissionsOf(role).isSubsetOf(permissions)) return
  throw new AppError('forbidden', 'forbidden', {
    detail: `This API key lacks permissions that the role ${role} has, and so has no say over it.`,
  })
}

/**
 * The guard looked before the tenant was locked; somebody else may have changed the actor since.
 * @throws AppError `forbidden` when he is not any more what the guard took him for
 */
export function assertUnchanged(guarded: Role, actor: Standing | null): void {
  if (actor !== null && actor.role === guarded && actor.disabledAt === null) return
  throw new AppError('forbidden', 'forbidden', { detail: 'Your own role has just been changed.' })
}

/** Whether a tenant loses an owner who can act when a member goes from `before` to `after`; null: he is gone. */
export function losesOwner(before: Standing, after: Standing | null): boolean {
  return isActingOwner(before) && !(after !== null && isActingOwner(after))
}

function isActingOwner({ role, disabledAt }: Standing): boolean {
  return role === 'owner' && disabledAt === null
}
