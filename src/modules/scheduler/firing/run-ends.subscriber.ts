import { Injectable, type OnModuleInit } from '@nestjs/common'
import { RunCompleted, RunFailed, RunFinished } from '#modules/runs'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import { RunEndsRepository } from './run-ends.repository.js'
import { ScheduleBell } from './schedule-bell.service.js'

/**
 * The end of a schedule's run is its execution's, in the same commit. The schedule takes note in its next turn: its row is not
 * locked here, where runs' rows are, since whoever stops runs in a turn locks in the other order.
 */
@Injectable()
export class RunEnds implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly executions: RunEndsRepository,
    private readonly bell: ScheduleBell,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(RunFinished, (event, tx) => this.note(event, tx))
  }

  private async note(event: RunFinished, tx: Tx): Promise<void> {
    const { runId, scheduleId } = event.outcome
    if (scheduleId === null) return
    const status = event instanceof RunCompleted ? 'completed' : 'failed'
    await Promise.all([this.executions.end({ runId, status, reason: reasonOf(event) }, tx), this.bell.ring(tx)])
  }
}

function reasonOf(event: RunFinished): string | null {
  if (event instanceof RunCompleted) return null
  return event instanceof RunFailed ? event.errorCode : EXECUTION_REASONS.cancelled
}
