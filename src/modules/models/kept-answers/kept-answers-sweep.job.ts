import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { Database } from '#platform/database/database.js'
import { KeptAnswersRepository } from './kept-answers.repository.js'

const INTERVAL_MS = 300_000
export const KEPT_ANSWERS_PER_BATCH = 500
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 100

/** Deletes answers whose time is over. Nobody waits for it: such an answer is not found any more. */
@Injectable()
export class KeptAnswersSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask

  constructor(
    private readonly database: Database,
    private readonly answers: KeptAnswersRepository,
    logger: PinoLogger,
  ) {
    logger.setContext(KeptAnswersSweep.name)
    this.task = new PeriodicTask({
      everyMs: INTERVAL_MS,
      failure: 'kept_answers_sweep_failed',
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

  /** One pass. Never rejects. */
  sweep(): Promise<void> {
    return this.task.run()
  }

  /** A transaction each batch, so that none holds its locks for long. */
  private pass(): Promise<void> {
    return this.task.inBatches({ size: KEPT_ANSWERS_PER_BATCH, maxBatches: MAX_BATCHES }, (size) =>
      this.database.workers.transaction({ purpose: 'kept-answers.sweep' }, (tx) =>
        this.answers.deleteExpired(size, tx),
      ),
    )
  }
}
