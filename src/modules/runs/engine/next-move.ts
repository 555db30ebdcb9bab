import type { ModelMessage, ModelToolCall } from '#modules/models'
import type { ApprovalStep, CallResult, ModelStep, Step } from './journal.js'

/** What a tool says of itself, as far as the next move depends on it. */
export interface CallPolicy {
  readonly needsApproval: boolean
  readonly isIdempotent: boolean
}

export interface MoveRules {
  /** Why the run as a whole waits for a person first; null: it does not. */
  readonly startApproval: 'run' | 'agent' | null
  /** Null: there is no such tool; the call is made all the same, and comes to nothing. */
  readonly policyOf: (tool: string) => CallPolicy | null
}

/** A call that is due, and the step of it that was in flight when a worker died. */
export interface DueCall {
  readonly call: ModelToolCall
  readonly interrupted: number | null
}

export type NextMove =
  | { readonly do: 'ask-to-start'; readonly reason: 'run' | 'agent' }
  | { readonly do: 'call-model'; readonly interrupted: number | null }
  | {
      readonly do: 'act'
      /** To be called now. */
      readonly due: readonly DueCall[]
      /** A person must allow them first. */
      readonly toAsk: readonly ModelToolCall[]
      /** In flight when a worker died, and not to be repeated without asking: positions, with their calls. */
      readonly unknown: readonly { readonly position: number; readonly call: ModelToolCall }[]
    }
  | { readonly do: 'wait'; readonly isForPerson: boolean }
  | { readonly do: 'answer'; readonly step: ModelStep }
  | { readonly do: 'refuse'; readonly approval: ApprovalStep }

type CallState =
  | { readonly is: 'resolved'; readonly result: CallResult }
  | { readonly is: 'due'; readonly interrupted: number | null }
  | { readonly is: 'to-ask' }
  | { readonly is: 'unknown'; readonly position: number }
  | { readonly is: 'waiting'; readonly isForPerson: boolean }

/**
 * What a run does next. Follows from its journal alone, so that every worker comes to the same answer: whatever is finished
 * is used and never done again. Nothing must be in flight: a call that is still `running` here was interrupted.
 */
export function nextMove(steps: readonly Step[], rules: MoveRules): NextMove {
  const start = startMove(steps, rules)
  if (start) return start
  const last = steps.findLast((step) => step.kind === 'model')
  if (!last) return { do: 'call-model', interrupted: null }
  if (last.status !== 'completed' || !last.result) return { do: 'call-model', interrupted: last.position }
  const calls = last.result.toolCalls
  if (calls.length === 0) return { do: 'answer', step: last }
  const states = calls.map((call) => ({ call, state: stateOf(call, stepsAfter(steps, last), rules) }))
  const due = states.flatMap(({ call, state }) =>
    state.is === 'due' ? [{ call, interrupted: state.interrupted }] : [],
  )
  const toAsk = states.flatMap(({ call, state }) => (state.is === 'to-ask' ? [call] : []))
  const unknown = states.flatMap(({ call, state }) =>
    state.is === 'unknown' ? [{ position: state.position, call }] : [],
  )
  if (due.length + toAsk.length + unknown.length > 0) return { do: 'act', due, toAsk, unknown }
  const waiting = states.flatMap(({ state }) => (state.is === 'waiting' ? [state.isForPerson] : []))
  if (waiting.length > 0) return { do: 'wait', isForPerson: waiting.includes(true) }
  return { do: 'call-model', interrupted: null }
}

/** The conversation that the journal has come to: answers, each followed by the results that it asked for, in its order. */
export function conversationOf(steps: readonly Step[], opening: string, rules: MoveRules): ModelMessage[] {
  const messages: ModelMessage[] = [{ role: 'user', text: opening }]
  for (const step of steps) {
    if (step.kind !== 'model' || !step.result || step.status !== 'completed') continue
    const { text, toolCalls } = step.result
    if (step.request.repair !== undefined) messages.push({ role: 'user', text: step.request.repair })
    messages.push({ role: 'assistant', text, toolCalls })
    for (const call of toolCalls) {
      const state = stateOf(call, stepsAfter(steps, step), rules)
      if (state.is !== 'resolved') continue
      messages.push({ role: 'tool', callId: call.id, name: call.name, ...state.result })
    }
  }
  return messages
}

function startMove(steps: readonly Step[], { startApproval }: MoveRules): NextMove | null {
  const approval = steps.find((step): step is ApprovalStep => step.kind === 'approval' && step.request.callId === null)
  if (!approval) return startApproval && { do: 'ask-to-start', reason: startApproval }
  if (!approval.result) return { do: 'wait', isForPerson: true }
  return approval.result.isGranted ? null : { do: 'refuse', approval }
}

function stepsAfter(steps: readonly Step[], answer: ModelStep): Step[] {
  const next = steps.find((step) => step.kind === 'model' && step.position > answer.position)
  return steps.filter(({ position }) => position > answer.position && (!next || position < next.position))
}

function stateOf(call: ModelToolCall, steps: readonly Step[], rules: MoveRules): CallState {
  const policy = rules.policyOf(call.name)
  const ofCall = steps.filter((step) => step.kind !== 'model' && step.request.callId === call.id)
  const latest = ofCall.at(-1)
  if (!latest) return policy?.needsApproval ? { is: 'to-ask' } : { is: 'due', interrupted: null }
  if (latest.kind === 'approval') return stateOfAsked(latest)
  if (latest.kind === 'model') throw new Error('a model step belongs to no call')
  if (latest.status === 'outcome_unknown') return { is: 'unknown', position: latest.position }
  if (latest.result) return { is: 'resolved', result: latest.result }
  if (latest.kind === 'delegation') return { is: 'waiting', isForPerson: false }
  return latest.request.isIdempotent
    ? { is: 'due', interrupted: latest.position }
    : { is: 'unknown', position: latest.position }
}

function stateOfAsked({ request, result }: ApprovalStep): CallState {
  if (!result) return { is: 'waiting', isForPerson: true }
  if (result.isGranted) return { is: 'due', interrupted: null }
  return { is: 'resolved', result: { text: describeRefusal(request.reason, result), isError: true } }
}

function describeRefusal(
  reason: ApprovalStep['request']['reason'],
  { status, comment }: NonNullable<ApprovalStep['result']>,
): string {
  if (status === 'approved') return 'What a person allowed is not what this call is now; it was not made.'
  const who = status === 'expired' ? 'Nobody allowed this call in time' : 'A person did not allow this call'
  const what =
    reason === 'outcome_unknown'
      ? `This call was interrupted: whether it took effect is not known. ${who.replace('this call', 'it to be repeated')}.`
      : `${who}; it was not made.`
  return comment ? `${what} Comment: ${comment}` : what
}
