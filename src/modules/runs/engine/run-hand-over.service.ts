import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { LeaseEnded } from './lease-ended.js'
import { QueueRepository } from './queue.repository.js'
import { RunBell } from './run-bell.service.js'
import { RunJournal } from './run-journal.service.js'
import type { RunSession } from './run-session.js'

/** The write is tried once: there is no time to wait for a database that is away. */
const ONCE = AbortSignal.abort(new LeaseEnded('stopping'))

/** Puts a run back for any replica to go on with, as the process stops: with all that it has said and used so far. */
@Injectable()
export class RunHandOver {
  constructor(
    private readonly journal: RunJournal,
    private readonly queue: QueueRepository,
    private readonly bell: RunBell,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunHandOver.name)
  }

  async handOver(session: RunSession): Promise<void> {
    const { run } = session
    const also = async (tx: Parameters<RunBell['ring']>[0]): Promise<void> => {
      await Promise.all([this.queue.release(run, tx), this.bell.ring(tx)])
    }
    try {
      await this.journal.write(session, { also }, ONCE)
    } catch (error) {
      this.logger.warn({ err: error, event: 'run_hand_over_failed', runId: run.runId }, 'run_hand_over_failed')
    }
  }
}
