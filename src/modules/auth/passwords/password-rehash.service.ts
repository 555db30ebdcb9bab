import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordHasher } from './password-hasher.js'

/** Compares passwords at sign-in, and brings their hashes to today's strength when the parameters have risen. */
@Injectable()
export class PasswordRehash {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly hasher: PasswordHasher,
    private readonly clock: Clock,
  ) {}

  /** Takes the same time without a hash. @throws AppError `unavailable` */
  verify(passwordHash: string | null, password: string): Promise<boolean> {
    return this.hasher.verify(passwordHash, password)
  }

  /** Hashes anew where the stored hash is weaker than today's; only the hash that was just checked is replaced. */
  async raise({ userId, password, passwordHash }: { userId: string; password: string; passwordHash: string }) {
    if (!this.hasher.isOutdated(passwordHash)) return
    const raised = await this.hasher.hash(password)
    const change = { userId, expected: passwordHash, passwordHash: raised, now: this.clock.now() }
    await this.database.transaction({ userId }, (tx) => this.accounts.replacePassword(change, tx))
  }
}
