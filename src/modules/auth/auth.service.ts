import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { Principal } from '#platform/http/principal.js'
import { type Account, AccountsRepository } from './accounts/accounts.repository.js'
import type { LoginCommand, Me, RegisterCommand, TokenPair } from './auth.schemas.js'
import { PasswordHasher } from './passwords/password-hasher.js'
import { permissionsOf } from './permissions.js'
import { SessionIssuer } from './sessions/session-issuer.service.js'

/** Registration, sign-in and who is who. */
@Injectable()
export class AuthService {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly sessions: SessionIssuer,
    private readonly hasher: PasswordHasher,
    private readonly clock: Clock,
  ) {}

  /** Creates a user and a tenant that he owns. @throws AppError `email_taken`, `forbidden` when registration is closed */
  async register(command: RegisterCommand): Promise<TokenPair> {
    if (this.config.settings.REGISTRATION === 'closed') {
      throw new AppError('forbidden', 'forbidden', { detail: 'Registration is closed on this server.' })
    }
    const passwordHash = await this.hasher.hash(command.password)
    const account = this.newOwner(command)
    const scope = { tenantId: account.tenant.id, userId: account.user.id }
    return this.database.transaction(scope, async (tx) => {
      await this.accounts.createOwner(account, passwordHash, tx)
      return this.answer(account, await this.sessions.open(account.membership, tx))
    })
  }

  /** @throws AppError `unauthenticated`, in the same words and the same time for an unknown address and a wrong password */
  async login({ email, password, tenantId }: LoginCommand): Promise<TokenPair> {
    const signIn = await this.database.transaction({ signInEmail: email }, (tx) => this.accounts.findSignIn(email, tx))
    const matches = await this.hasher.verify(signIn?.passwordHash, password)
    if (!signIn || !matches) throw wrongCredentials()
    const { user } = signIn
    const membership = await this.database.transaction({ userId: user.id }, (tx) =>
      this.accounts.findMembership(user.id, tenantId, tx),
    )
    if (!membership) throw wrongCredentials()
    return this.database.transaction({ tenantId: membership.tenantId, userId: user.id }, async (tx) => {
      const account = await this.getAccount(membership.tenantId, user.id, tx)
      return this.answer(account, await this.sessions.open(membership, tx))
    })
  }

  /** Trades a refresh token for a new pair. @throws AppError `unauthenticated` */
  async refresh(refreshToken: string): Promise<TokenPair> {
    const { account, tokens } = await this.sessions.rotate(refreshToken)
    return this.answer(account, tokens)
  }

  async getMe({ tenantId, userId }: Principal): Promise<Me> {
    const account = await this.database.transaction({ tenantId, userId }, (tx) => this.getAccount(tenantId, userId, tx))
    return { ...identityOf(account), permissions: [...permissionsOf(account.membership.role)] }
  }

  private newOwner({ email, name, tenantName }: RegisterCommand): Account {
    const now = this.clock.now()
    const user = { id: newId(), email, name: name ?? null, emailVerifiedAt: null, createdAt: now, updatedAt: now }
    const tenant = { id: newId(), name: tenantName ?? `${name ?? email.split('@')[0]}'s team`, createdAt: now }
    const membership = {
      tenantId: tenant.id,
      userId: user.id,
      role: 'owner' as const,
      createdAt: now,
      disabledAt: null,
    }
    return { user, tenant, membership }
  }

  private async getAccount(tenantId: string, userId: string, tx: Tx): Promise<Account> {
    const account = await this.accounts.findAccount(tenantId, userId, tx)
    if (!account) throw new AppError('unauthenticated', 'unauthenticated', { detail: 'This account is gone.' })
    return account
  }

  private answer(account: Account, tokens: Pick<TokenPair, 'accessToken' | 'refreshToken' | 'expiresIn'>): TokenPair {
    return { ...identityOf(account), ...tokens, tokenType: 'Bearer' }
  }
}

function identityOf({ user, tenant, membership }: Account): Pick<TokenPair, 'user' | 'tenant' | 'role'> {
  return {
    user: { id: user.id, email: user.email, name: user.name, createdAt: user.createdAt.toISOString() },
    tenant: { id: tenant.id, name: tenant.name, createdAt: tenant.createdAt.toISOString() },
    role: membership.role,
  }
}

function wrongCredentials(): AppError {
  return new AppError('unauthenticated', 'unauthenticated', { detail: 'The e-mail address or the password is wrong.' })
}
