import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import type { AppError } from '#kernel/app-error.js'
import { Database, type PoolName } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { budgetExceeded } from './budget.errors.js'
import {
  BEFORE_FIRST_CALL,
  BudgetReservationsRepository,
  type Expense,
  findRefusal,
  type Reservation,
} from './budget-reservations.repository.js'
import { BudgetsRepository } from './budgets.repository.js'

const MAX_REMEMBERED_TENANTS = 1000
/** How long a tenant that was refused is taken for one that will be refused again. */
const REFUSED_LATELY_MS = 10_000

/** A run that is about to be created. */
export type Admission = Omit<Reservation, 'step'>

/** Reserves what calls can cost at worst, at all levels at once, before anything is sent. */
@Injectable()
export class BudgetReservations {
  /** When; on the clock of `performance`. */
  private readonly refused = new LRU<number>(MAX_REMEMBERED_TENANTS)

  constructor(
    private readonly database: Database,
    private readonly rows: BudgetReservationsRepository,
    private readonly budgets: BudgetsRepository,
  ) {}

  /**
   * For a run's first call, in the transaction that creates the run: the last statement of it, since all of the tenant's runs
   * meet at its lock. @returns output tokens that are paid for. What it throws {@link explain} tells
   */
  admit(admission: Admission, tx: Tx): Promise<number> {
    return this.rows.reserve(firstCallOf(admission), tx)
  }

  /** The same for a run that waits for a person first: nothing stays reserved till then. */
  async check(admission: Admission, tx: Tx): Promise<void> {
    await Promise.all([this.admit(admission, tx), this.rows.release(firstCallOf(admission), tx)])
  }

  /** For a call of a worker's. @returns output tokens that are paid for. @throws AppError `budget_exceeded` */
  async reserve(reservation: Reservation): Promise<number> {
    const attempt = await this.rows.tryReserve(reservation)
    if (attempt.refusedBy === null) return attempt.granted
    throw await this.refuse(reservation, attempt.refusedBy, 'workers')
  }

  /** For what is to begin later, and reserves nothing yet: what is reserved now may be free by then. @throws AppError `budget_exceeded` */
  async assertUnspent(expense: Expense, pool: PoolName): Promise<void> {
    await this.assertNotTight(expense, true, pool)
  }

  /**
   * Before a transaction that is one flight: its failure costs the connection. A tenant that is out of money is told so by a
   * read. @throws AppError `budget_exceeded`
   */
  async assertRoomIfRefusedLately(expense: Expense): Promise<void> {
    const at = this.refused.get(expense.tenantId)
    if (at === undefined || performance.now() - at > REFUSED_LATELY_MS) return
    await this.assertNotTight(expense, false, 'requests')
  }

  /** What a client is told of the error that a transaction with {@link admit} ended with; the error itself where it is another. */
  async explain(error: unknown, expense: Expense): Promise<unknown> {
    const budgetId = findRefusal(error)
    return budgetId === null ? error : this.refuse(expense, budgetId, 'requests')
  }

  private async assertNotTight(expense: Expense, isReservedLeft: boolean, pool: PoolName): Promise<void> {
    const budgetId = await this.rows.findTight(expense, isReservedLeft, pool)
    if (budgetId !== null) throw await this.refuse(expense, budgetId, pool)
  }

  /** Nothing of what was refused is written, but that it was. */
  private async refuse({ tenantId, moment }: Expense, id: string, pool: PoolName): Promise<AppError> {
    this.refused.set(tenantId, performance.now())
    const budget = await this.database[pool].flight({ tenantId }, async (tx) => {
      const [found] = await Promise.all([
        this.budgets.findStanding({ tenantId, id }, moment, tx),
        this.rows.noteRefusal({ tenantId, id }, moment, tx),
      ])
      return found
    })
    return budgetExceeded(budget)
  }
}

function firstCallOf(admission: Admission): Reservation {
  return { ...admission, step: BEFORE_FIRST_CALL }
}
