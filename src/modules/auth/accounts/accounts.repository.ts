import { Injectable } from '@nestjs/common'
import { IsNull, QueryFailedError } from 'typeorm'
import { AppError } from '#kernel/app-error.js'
import type { Tx } from '#platform/database/tx.js'
import type { Role } from '#platform/http/principal.js'
import { CredentialEntity } from '../passwords/credential.entity.js'
import { MembershipEntity } from './membership.entity.js'
import { TenantEntity } from './tenant.entity.js'
import { UserEntity } from './user.entity.js'

const UNIQUE_VIOLATION = '23505'

/** Of one user; nobody is asked into so many. */
const MAX_TENANTS_LISTED = 1000

export interface Account {
  readonly user: UserEntity
  readonly tenant: TenantEntity
  readonly membership: MembershipEntity
}

/** A tenant as one of its members sees it among his. */
export interface TenantOfUser {
  readonly id: string
  readonly name: string
  readonly role: Role
}

/** What a sign-in needs to know of an address, known or not. */
export interface SignInFacts {
  readonly userId: string | null
  readonly passwordHash: string | null
  readonly emailVerifiedAt: Date | null
  readonly failures: number
  readonly lockedUntil: Date | null
}

/** Users, tenants and who belongs where. */
@Injectable()
export class AccountsRepository {
  /** Creates a user with a tenant of his own. @throws AppError `email_taken` */
  async createOwner({ user, tenant, membership }: Account, passwordHash: string, tx: Tx): Promise<void> {
    await this.createUser(user, passwordHash, tx)
    await this.createTenant({ tenant, membership }, tx)
  }

  /** Creates a tenant with its first member, who is a user already. */
  async createTenant({ tenant, membership }: Pick<Account, 'tenant' | 'membership'>, tx: Tx): Promise<void> {
    await tx.entities.insert(TenantEntity, tenant)
    await tx.entities.insert(MembershipEntity, membership)
  }

  /** @throws AppError `email_taken` */
  async createUser(user: UserEntity, passwordHash: string, tx: Tx): Promise<void> {
    await tx.entities.insert(UserEntity, user).catch((error: unknown) => {
      throw isUniqueViolation(error)
        ? new AppError('email_taken', 'conflict', {
            detail: 'This e-mail address is registered already.',
            cause: error,
          })
        : error
    })
    await tx.entities.insert(CredentialEntity, { userId: user.id, passwordHash, changedAt: user.createdAt })
  }

  /** One row and one statement whether or not anyone has the address. Scope: `signInEmail` and `presentedHash` of it. */
  async findSignIn(email: string, emailHash: Buffer, tx: Tx): Promise<SignInFacts> {
    const rows = await tx.query<SignInFacts & { [column: string]: unknown }>({
      name: 'sign_in_facts',
      text: `SELECT u.id AS "userId", c.password_hash AS "passwordHash", u.email_verified_at AS "emailVerifiedAt",
                    coalesce(a.failures, 0) AS failures, a.locked_until AS "lockedUntil"
               FROM (SELECT $1::text AS email, $2::bytea AS email_hash) asked
               LEFT JOIN users u ON u.email = asked.email
               LEFT JOIN credentials c ON c.user_id = u.id
               LEFT JOIN login_attempts a ON a.email_hash = asked.email_hash`,
      values: [email, emailHash],
    })
    const [facts] = rows
    if (!facts) throw new Error('a query without conditions gave no row')
    return facts
  }

  /** The user's membership in `tenantId`, else the one that he has had for longest; none while he is suspended there. */
  async findMembership(userId: string, tenantId: string | undefined, tx: Tx): Promise<MembershipEntity | null> {
    const where = { userId, disabledAt: IsNull(), ...(tenantId !== undefined && { tenantId }) }
    return tx.entities.findOne(MembershipEntity, { where, order: { createdAt: 'ASC' } })
  }

  /** Scope: `userId`. */
  listMemberships(userId: string, tx: Tx): Promise<MembershipEntity[]> {
    return tx.entities.find(MembershipEntity, { where: { userId }, order: { createdAt: 'ASC' } })
  }

  /** The tenants that a user may sign in to, the oldest membership first; only `tenantId` of them if given. Scope: `userId`. */
  listTenants({ userId, tenantId }: { userId: string; tenantId: string | null }, tx: Tx): Promise<TenantOfUser[]> {
    return tx.query<TenantOfUser>({
      text: `SELECT t.id, t.name, m.role FROM memberships m JOIN tenants t ON t.id = m.tenant_id
              WHERE m.user_id = $1 AND m.disabled_at IS NULL AND ($2::uuid IS NULL OR m.tenant_id = $2)
              ORDER BY m.created_at, m.tenant_id LIMIT $3`,
      values: [userId, tenantId, MAX_TENANTS_LISTED],
    })
  }

  /** User, tenant and membership at once; null when any of them is gone or suspended. */
  async findAccount(tenantId: string, userId: string, tx: Tx): Promise<Account | null> {
    const [user, tenant, membership] = await Promise.all([
      tx.entities.findOneBy(UserEntity, { id: userId }),
      tx.entities.findOneBy(TenantEntity, { id: tenantId }),
      tx.entities.findOneBy(MembershipEntity, { tenantId, userId, disabledAt: IsNull() }),
    ])
    return user && tenant && membership ? { user, tenant, membership } : null
  }

  /** Scope: `tenantId`. */
  findTenant(tenantId: string, tx: Tx): Promise<TenantEntity | null> {
    return tx.entities.findOneBy(TenantEntity, { id: tenantId })
  }

  /** A member, suspended or not; null for who is none of this tenant. Scope: `tenantId`. */
  async findMember(tenantId: string, userId: string, tx: Tx): Promise<Pick<Account, 'user' | 'membership'> | null> {
    const [user, membership] = await Promise.all([
      tx.entities.findOneBy(UserEntity, { id: userId }),
      tx.entities.findOneBy(MembershipEntity, { tenantId, userId }),
    ])
    return user && membership ? { user, membership } : null
  }

  /** Scope: `userId`. */
  findUser(userId: string, tx: Tx): Promise<UserEntity | null> {
    return tx.entities.findOneBy(UserEntity, { id: userId })
  }

  /** Scope: `signInEmail`. */
  findByEmail(email: string, tx: Tx): Promise<UserEntity | null> {
    return tx.entities.findOneBy(UserEntity, { email })
  }

  /** He reads his address; the first time counts. Scope: `userId`. */
  async markVerified(userId: string, now: Date, tx: Tx): Promise<void> {
    const unverified = { id: userId, emailVerifiedAt: IsNull() }
    await tx.entities.update(UserEntity, unverified, { emailVerifiedAt: now, updatedAt: now })
  }

  /** Scope: `userId`. */
  async rename(userId: string, name: string | null, now: Date, tx: Tx): Promise<void> {
    await tx.entities.update(UserEntity, { id: userId }, { name, updatedAt: now })
  }

  /** Scope: `userId`. @param expected the hash that was checked: of two changes at once the second fails */
  async replacePassword(
    { userId, expected, passwordHash, now }: { userId: string; expected?: string; passwordHash: string; now: Date },
    tx: Tx,
  ): Promise<boolean> {
    const where = { userId, ...(expected !== undefined && { passwordHash: expected }) }
    const { affected } = await tx.entities.update(CredentialEntity, where, { passwordHash, changedAt: now })
    return affected === 1
  }
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && (error.driverError as { code?: string }).code === UNIQUE_VIOLATION
}
