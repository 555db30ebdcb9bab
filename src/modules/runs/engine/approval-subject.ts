import type { ClaimedRun } from './claimed-run.js'
import type { ApprovalStep, Step } from './journal.js'

/** All that a run as a whole is, as a person is asked about it before it begins. */
export function startSubject({ agent, agentVersion, task, context, model, input }: ClaimedRun): unknown {
  return { agent, agentVersion, task, context, model, input }
}

/** What would be done if the question were granted: to be compared with what was asked. Undefined: there is no such call. */
export function subjectOf(run: ClaimedRun, steps: readonly Step[], { request }: ApprovalStep): unknown {
  if (request.callId === null) return startSubject(run)
  const calls = steps.flatMap((step) => (step.kind === 'model' ? (step.result?.toolCalls ?? []) : []))
  return calls.find(({ id }) => id === request.callId)?.arguments
}
