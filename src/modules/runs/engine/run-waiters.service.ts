import { Injectable, type OnModuleInit } from '@nestjs/common'
import { isLastEvent } from '../streaming/run-event.js'
import { RunFeed } from '../streaming/run-feed.service.js'
import { RunWatch } from './run-watch.js'

/** Requests that wait for a run to end, on this replica, whichever replica ends it. */
@Injectable()
export class RunWaiters implements OnModuleInit {
  private readonly watches = new Set<RunWatch>()
  private closed = false

  constructor(private readonly feed: RunFeed) {}

  onModuleInit(): void {
    this.feed.onEnd(() => {
      this.closed = true
      for (const watch of this.watches) watch.end()
    })
  }

  /**
   * Begins to listen for a run's end. Start before the run is committed: nothing that happens is then missed.
   * Dispose when done.
   */
  watch(runId: string, timeoutMs: number): RunWatch {
    const subscription = this.feed.subscribe(runId, (events, ending) => {
      if (ending) watch.ending = ending
      if (events === null || events.some(isLastEvent)) watch.wake()
    })
    const watch = new RunWatch(this.closed ? 0 : timeoutMs, () => {
      subscription[Symbol.dispose]()
      this.watches.delete(watch)
    })
    this.watches.add(watch)
    return watch
  }
}
