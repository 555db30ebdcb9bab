import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '#platform/jobs/sweep.js'
import { Database } from '#platform/database/database.js'
import { KeptAnswersRepository } from './kept-answers.repository.js'

export const KEPT_ANSWERS_PER_BATCH = 500
/** A sweep that finds more leaves it to the next one. */
const MAX_BATCHES = 100

/** Deletes answers whose time is over. Nobody waits for it: such an answer is not found any more. */
@Injectable()
export class KeptAnswersSweep extends Sweep {
  constructor(
    private readonly database: Database,
    private readonly answers: KeptAnswersRepository,
    logger: PinoLogger,
  ) {
    super(logger, 'kept_answers_sweep_failed')
  }

  /** A transaction each batch, so that none holds its locks for long. */
  protected pass(): Promise<void> {
    return this.task.inBatches({ size: KEPT_ANSWERS_PER_BATCH, maxBatches: MAX_BATCHES }, (size) =>
      this.database.workers.transaction({ purpose: 'kept-answers.sweep' }, (tx) =>
        this.answers.deleteExpired(size, tx),
      ),
    )
  }
}
