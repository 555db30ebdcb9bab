import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { isContended, isUnavailable } from '#platform/database/database-error.js'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { CostRollupRepository } from './cost-rollup.repository.js'

const INTERVAL_MS = 2000
const TENANTS_PER_PASS = 500
/** Some fifty milliseconds, for which nobody but another rollup of that tenant would wait. */
export const ROWS_PER_BATCH = 1000
/** A tenant that has more leaves it to the next pass: others have come by then. */
const MAX_ROUNDS = 100

/**
 * Moves what was booked from the tail into the hourly sums. Tenants take turns, a batch each. Every replica has one; how far it
 * is behind nobody can tell but by the time that a report takes.
 */
@Injectable()
export class CostRollup implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask
  /** The last tenant of the pass before, where there were more. */
  private after: string | null = null

  constructor(
    private readonly rollups: CostRollupRepository,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(CostRollup.name)
    this.task = new PeriodicTask({
      everyMs: INTERVAL_MS,
      failure: 'cost_rollup_failed',
      logger,
      pass: () => this.pass(),
    })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** One pass; a second call while one is under way joins it. Never rejects. */
  run(): Promise<void> {
    return this.task.run()
  }

  private async pass(): Promise<void> {
    let tenants = await this.rollups.listTenants({ after: this.after, limit: TENANTS_PER_PASS })
    this.after = tenants.length === TENANTS_PER_PASS ? (tenants.at(-1) ?? null) : null
    for (let round = 0; round < MAX_ROUNDS && tenants.length > 0; round += 1) {
      const withMore: string[] = []
      for (const tenantId of tenants) {
        if (this.task.isStopping) return
        if ((await this.rollUp(tenantId)) === ROWS_PER_BATCH) withMore.push(tenantId)
      }
      tenants = withMore
    }
  }

  /** What goes wrong with one tenant is no reason for the others to wait, unless the database is away. */
  private async rollUp(tenantId: string): Promise<number> {
    try {
      return await this.rollups.rollUp({ tenantId, limit: ROWS_PER_BATCH })
    } catch (error) {
      if (isUnavailable(error) && !isContended(error)) throw error
      this.logger.warn({ err: error, event: 'cost_rollup_failed', tenantId }, 'cost_rollup_failed')
      return 0
    }
  }
}
