import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { EngineRepository } from './engine.repository.js'
import { RunWorker } from './run-worker.job.js'

const INTERVAL_MS = 2000
/** A run that nobody has taken for this long, while there is room, has lost its wake-up. */
const LOST_WAKE_UP_MS = 15_000
const MAX_RUNS = 50

/** Finds runs that nobody works on, whatever became of their jobs: this is why none can hang for ever. */
@Injectable()
export class RunSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined
  private isSweeping = false

  constructor(
    private readonly runs: EngineRepository,
    private readonly worker: RunWorker,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunSweep.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), INTERVAL_MS)
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer)
  }

  private async sweep(): Promise<void> {
    const limit = Math.min(MAX_RUNS, this.worker.freeSlots)
    if (limit === 0 || this.isSweeping) return
    this.isSweeping = true
    try {
      const orphans = await this.runs.listOrphans({ limit, pendingMs: LOST_WAKE_UP_MS })
      await Promise.all(orphans.map((orphan) => this.worker.take(orphan)))
    } catch (error) {
      this.logger.warn({ err: error, event: 'run_sweep_failed' }, 'run_sweep_failed')
    } finally {
      this.isSweeping = false
    }
  }
}
