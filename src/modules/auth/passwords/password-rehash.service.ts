import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordHasher } from './password-hasher.js'

interface RightPassword {
  readonly userId: string
  readonly password: string
  readonly passwordHash: string
}

/** Brings the hashes of passwords that were right to today's strength, when the parameters have risen. */
@Injectable()
export class PasswordRehash implements BeforeApplicationShutdown {
  private readonly underWay = new Set<Promise<void>>()

  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly hasher: PasswordHasher,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(PasswordRehash.name)
  }

  /** Nobody waits for it, or fails with it: what does not come about now does at the next sign-in. */
  raiseLater(password: RightPassword): void {
    if (!this.hasher.isOutdated(password.passwordHash)) return
    const raising = this.raise(password)
      .catch((error: unknown) =>
        this.logger.warn({ err: error, event: 'password_rehash_failed' }, 'password_rehash_failed'),
      )
      .finally(() => this.underWay.delete(raising))
    this.underWay.add(raising)
  }

  /** The connections are still open then. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.underWay)
  }

  /** Only the hash that was just checked is replaced. */
  private async raise({ userId, password, passwordHash: expected }: RightPassword): Promise<void> {
    const passwordHash = await this.hasher.hash(password)
    const change = { userId, expected, passwordHash, now: this.clock.now() }
    await this.database.workers.transaction({ userId }, (tx) => this.accounts.replacePassword(change, tx))
  }
}
