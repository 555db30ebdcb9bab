import { Injectable } from '@nestjs/common'
import pLimit, { type LimitFunction } from 'p-limit'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'

/** At one address, under way and waiting: far more than one person's programs send at once. */
const MAX_AT_ONE_ADDRESS = 256
const RETRY_AFTER_SECONDS = 1

/** The attempts at one address that are under way on this replica. */
export interface Attempts {
  /** The failures in a row have become known; so many fewer may be under way. */
  note(failures: number): void
  /** The password was right: the count begins anew. */
  forgive(): void
}

/**
 * Of the attempts at one address no more are under way than may still fail; the others wait for their outcome. Failures
 * are counted when they have happened, so that without this a burst would be through before its first was counted.
 */
@Injectable()
export class AttemptsInFlight {
  private readonly gates = new Map<string, Gate>()

  constructor(private readonly config: AppConfig) {}

  /** @throws AppError `rate_limited` when too many wait already */
  async run<T>(email: string, attempt: (attempts: Attempts) => Promise<T>): Promise<T> {
    const gate = this.gates.get(email) ?? new Gate(this.config.settings.LOGIN_LOCKOUT_AFTER_FAILURES)
    if (gate.users >= MAX_AT_ONE_ADDRESS) {
      throw new AppError('rate_limited', 'rate_limited', {
        detail: 'Too many sign-ins of one account at once.',
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
    this.gates.set(email, gate)
    gate.users += 1
    try {
      return await gate.queue(() => attempt(gate))
    } finally {
      gate.users -= 1
      if (gate.users === 0) this.gates.delete(email)
    }
  }
}

class Gate implements Attempts {
  users = 0
  /** One at first: how many have failed already is what it will tell. */
  readonly queue: LimitFunction = pLimit(1)
  private failures = 0

  constructor(private readonly limit: number) {}

  /** A lower number was read before a higher one was written. */
  note(failures: number): void {
    this.open(Math.max(this.failures, failures))
  }

  forgive(): void {
    this.open(0)
  }

  private open(failures: number): void {
    this.failures = failures
    this.queue.concurrency = Math.max(1, this.limit - failures)
  }
}
