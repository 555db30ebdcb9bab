import { Injectable } from '@nestjs/common'
import { QueryFailedError } from 'typeorm'
import { AppError } from '#kernel/app-error.js'
import type { Tx } from '#platform/database/tx.js'
import { CredentialEntity } from '../passwords/credential.entity.js'
import { MembershipEntity } from './membership.entity.js'
import { TenantEntity } from './tenant.entity.js'
import { UserEntity } from './user.entity.js'

const UNIQUE_VIOLATION = '23505'

export interface Account {
  readonly user: UserEntity
  readonly tenant: TenantEntity
  readonly membership: MembershipEntity
}

/** Users, tenants and who belongs where. */
@Injectable()
export class AccountsRepository {
  /** Creates a user with a tenant of his own. @throws AppError `email_taken` */
  async createOwner({ user, tenant, membership }: Account, passwordHash: string, tx: Tx): Promise<void> {
    await tx.entities.insert(TenantEntity, tenant)
    await tx.entities.insert(UserEntity, user).catch((error: unknown) => {
      throw isUniqueViolation(error)
        ? new AppError('email_taken', 'conflict', {
            detail: 'This e-mail address is registered already.',
            cause: error,
          })
        : error
    })
    await tx.entities.insert(CredentialEntity, { userId: user.id, passwordHash, changedAt: user.createdAt })
    await tx.entities.insert(MembershipEntity, membership)
  }

  /** Who has this address, and the password to compare with. Visible only in a scope whose `signInEmail` it is. */
  async findSignIn(email: string, tx: Tx): Promise<{ user: UserEntity; passwordHash: string } | null> {
    const user = await tx.entities.findOneBy(UserEntity, { email })
    const credential = user && (await tx.entities.findOneBy(CredentialEntity, { userId: user.id }))
    return user && credential && { user, passwordHash: credential.passwordHash }
  }

  /** The user's membership in `tenantId`, else the one that he has had for longest. */
  async findMembership(userId: string, tenantId: string | undefined, tx: Tx): Promise<MembershipEntity | null> {
    const where = { userId, ...(tenantId !== undefined && { tenantId }) }
    return tx.entities.findOne(MembershipEntity, { where, order: { createdAt: 'ASC' } })
  }

  /** User, tenant and membership at once; null when any of them is gone. */
  async findAccount(tenantId: string, userId: string, tx: Tx): Promise<Account | null> {
    const [user, tenant, membership] = await Promise.all([
      tx.entities.findOneBy(UserEntity, { id: userId }),
      tx.entities.findOneBy(TenantEntity, { id: tenantId }),
      tx.entities.findOneBy(MembershipEntity, { tenantId, userId }),
    ])
    return user && tenant && membership ? { user, tenant, membership } : null
  }
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && (error.driverError as { code?: string }).code === UNIQUE_VIOLATION
}
