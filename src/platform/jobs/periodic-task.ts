import type { PinoLogger } from 'nestjs-pino'

export interface PeriodicTaskOptions {
  readonly everyMs: number
  /** Event name of the warning when a pass fails; the next one comes all the same. */
  readonly failure: string
  readonly logger: PinoLogger
  readonly pass: () => Promise<void>
}

/** What a replica does again and again while it runs: one pass at a time, and none that fails anybody. Every replica has its own. */
export class PeriodicTask {
  private timer: NodeJS.Timeout | undefined
  private passing: Promise<void> | undefined
  private stopping = false

  constructor(private readonly options: PeriodicTaskOptions) {}

  /** For long passes, to end early. */
  get isStopping(): boolean {
    return this.stopping
  }

  start(): void {
    this.timer = setInterval(() => void this.run(), this.options.everyMs).unref()
  }

  /** One pass; a second call while one is under way joins it. Never rejects. */
  async run(): Promise<void> {
    const { pass, logger, failure } = this.options
    this.passing ??= pass()
      .catch((error: unknown) => logger.warn({ err: error, event: failure }, failure))
      .finally(() => (this.passing = undefined))
    await this.passing
  }

  /**
   * For passes that work in batches: calls `work`, which says how much it found, until a batch is not full. At most `maxBatches`
   * times, and not once the task is to stop: the rest waits for the next pass.
   */
  async inBatches({ size, maxBatches }: { size: number; maxBatches: number }, work: (size: number) => Promise<number>) {
    for (let batch = 0; batch < maxBatches && !this.stopping; batch += 1) {
      if ((await work(size)) < size) return
    }
  }

  /** No more passes; resolves when the one under way is done. */
  async stop(): Promise<void> {
    this.stopping = true
    clearInterval(this.timer)
    await this.passing
  }
}
