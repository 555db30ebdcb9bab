import { Injectable } from '@nestjs/common'
import { hashArguments } from '#modules/approvals'
import { Database } from '#platform/database/database.js'
import { subjectOf } from './approval-subject.js'
import { type AwaitedFacts, JournalRepository } from './journal.repository.js'
import { type ApprovalResult, type ApprovalStep, type CallResult, type DelegationStep, endOf } from './journal.js'
import type { RunSession } from './run-session.js'
import { stepFinished } from './step-tellings.js'

/** The most that is said of a child's answer: it becomes part of a prompt. */
const MAX_RESULT_CHARACTERS = 100_000

/** Finds out what has come of that which a run waited for, and puts it into its journal with the write that comes next. */
@Injectable()
export class Awaited {
  constructor(
    private readonly database: Database,
    private readonly journal: JournalRepository,
  ) {}

  async catchUp(session: RunSession): Promise<void> {
    const { tenantId, runId } = session.run
    const waiting = session.steps.filter(
      (step) => step.status === 'running' && (step.kind === 'approval' || step.kind === 'delegation'),
    )
    if (waiting.length === 0) return
    const facts = await this.database.workers.transaction({ tenantId }, (tx) =>
      this.journal.listAwaited(tenantId, runId, tx),
    )
    for (const step of waiting) {
      if (step.kind === 'approval') this.decide(session, step, facts)
      if (step.kind === 'delegation') this.deliver(session, step, facts)
    }
  }

  private decide(session: RunSession, step: ApprovalStep, { approvals }: AwaitedFacts): void {
    const approval = approvals.find(({ id }) => id === step.approvalId)
    if (!approval) return
    // What was allowed must be what was asked, and what would be done now: a row that says otherwise allows nothing.
    const isMeant =
      approval.argumentsHash === step.request.argumentsHash &&
      approval.argumentsHash === hashArguments(subjectOf(session.run, session.steps, step)).toString('hex')
    const isGranted =
      isMeant &&
      (approval.status === 'approved' || (approval.status === 'expired' && approval.defaultDecision === 'approve'))
    const { status, comment } = approval
    const result: ApprovalResult = { isGranted, status, comment }
    const end = endOf(step.position, 'completed', result)
    const { approvalId, position, name } = step
    session.defer({
      end: [end],
      tell: [
        {
          type: 'approval.decided',
          data: { step: position, approvalId, status, isGranted, tool: toolOf(step, name), comment },
        },
        stepFinished(step, end),
      ],
    })
  }

  private deliver(session: RunSession, step: DelegationStep, { children }: AwaitedFacts): void {
    const child = children.find(({ id }) => id === step.childRunId)
    if (!child) return
    const end = endOf(step.position, child.status === 'completed' ? 'completed' : 'failed', resultOf(child))
    session.defer({ end: [end], tell: [stepFinished(step, end)] })
  }
}

function toolOf({ request }: ApprovalStep, name: string): string | null {
  return request.callId === null ? null : name
}

function resultOf(child: AwaitedFacts['children'][number]): CallResult {
  if (child.status === 'completed') {
    const { text = '', data = null } = child.output ?? {}
    const whole = data === null ? text : `${text}\n\n${JSON.stringify(data)}`
    return { text: whole.slice(0, MAX_RESULT_CHARACTERS).toWellFormed(), isError: false }
  }
  const why = child.status === 'cancelled' ? 'it was cancelled' : `${child.errorCode}: ${child.errorDetail}`
  return { text: `The agent did not deliver: ${why}`, isError: true }
}
