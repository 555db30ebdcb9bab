import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common'
import type { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from './periodic-task.js'

const DEFAULT_INTERVAL_MS = 300_000

/** A provider that sees, now and then, to what has had its time. On every replica, for as long as the app runs. */
export abstract class Sweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  protected readonly task: PeriodicTask

  /** @param failure event name of the warning when a pass fails */
  constructor(logger: PinoLogger, failure: string, everyMs = DEFAULT_INTERVAL_MS) {
    logger.setContext(new.target.name)
    this.task = new PeriodicTask({ everyMs, failure, logger, pass: () => this.pass() })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** One pass; a second call while one is under way joins it. Never rejects: what is left waits for the next time. */
  sweep(): Promise<void> {
    return this.task.run()
  }

  protected abstract pass(): Promise<void>
}
