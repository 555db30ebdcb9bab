import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { Approvals, hashArguments } from '#modules/approvals'
import type { ModelToolCall } from '#modules/models'
import type { Tx } from '#platform/database/tx.js'
import { RunsRepository } from '../runs.repository.js'
import { startSubject } from './approval-subject.js'
import { DELEGATE_TOOL, Delegation, type PlannedDelegation } from './delegation.service.js'
import {
  type ApprovalStep,
  type CallResult,
  endOf,
  type KeptAnswerWrite,
  type Step,
  type StepEnd,
  type Telling,
  type ToolStep,
} from './journal.js'
import type { DueCall, NextMove } from './next-move.js'
import { RunBell } from './run-bell.service.js'
import type { RunContext } from './run-context.js'
import { type JournalEntry, RunJournal } from './run-journal.service.js'
import { RunLimits } from './run-limits.service.js'
import type { RunSession } from './run-session.js'
import { stepFinished, stepStarted } from './step-tellings.js'

type Act = Extract<NextMove, { do: 'act' }>

interface Turn {
  readonly session: RunSession
  readonly context: RunContext
  readonly signal: AbortSignal
}

/** The calls that an answer asked for, as steps: tools are called, work is given away, people are asked. */
@Injectable()
export class CallSteps {
  constructor(
    private readonly approvals: Approvals,
    private readonly delegation: Delegation,
    private readonly limits: RunLimits,
    private readonly journal: RunJournal,
    private readonly runs: RunsRepository,
    private readonly bell: RunBell,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(CallSteps.name)
  }

  /** All of them begin in one commit; each tool's result is written as soon as it is there. */
  async take(turn: Turn, { due, toAsk, unknown }: Act, keep: KeptAnswerWrite | null): Promise<void> {
    const { session, context, signal } = turn
    const now = this.clock.now()
    const toBeAsked = toAsk.length + unknown.length
    const newCalls = due.filter(({ interrupted }) => interrupted === null).length + toBeAsked
    this.limits.assertSteps(session, newCalls)
    const delegations = await this.delegation.plan(session, {
      agent: context.agent,
      calls: due.filter(isDelegation).map(({ call }) => call),
      // What is asked for is a second step, once it is allowed.
      steps: newCalls + toBeAsked,
      now,
    })
    let position = session.nextPosition
    const tools = due
      .filter((call) => !isDelegation(call))
      .map(({ call, interrupted }) => this.toolStep(turn, call, interrupted ?? position++, now))
    const given = delegations.map((delegation) => delegationStep(session, delegation, position++, now))
    const questions = [
      ...toAsk.map((call) => ({ call, reason: 'tool' as const })),
      ...unknown.map(({ call }) => ({ call, reason: 'outcome_unknown' as const })),
    ].map(({ call, reason }) => this.question(session, { call, reason, position: position++, now }))
    const lost = unknown.map(({ position: at }) => endOf(at, 'outcome_unknown', null))
    const children = delegations.flatMap((delegation) => ('child' in delegation ? [delegation.child] : []))
    await this.journal.write(
      session,
      {
        begin: [...tools, ...given.map(({ step }) => step), ...questions.map(({ step }) => step)],
        end: lost,
        tell: [
          ...lost.flatMap((end) => finishedTool(session, end)),
          ...tools.flatMap((step) => [stepStarted(step), toolCalled(step)]),
          ...given.flatMap(({ tell }) => tell),
          ...questions.flatMap(({ tell }) => tell),
        ],
        keep,
        ...((children.length > 0 || questions.length > 0) && {
          also: async (tx: Tx) => {
            for (const child of children) await this.runs.add(child, null, tx)
            for (const { ask } of questions) await ask(tx)
            if (children.length > 0) await this.bell.ring(tx)
          },
        }),
      },
      signal,
    )
    await this.callAll(turn, tools)
  }

  /** A question about the run as a whole, before anything is done. */
  askToStart(session: RunSession, reason: 'run' | 'agent'): JournalEntry {
    const position = session.nextPosition
    const what = startSubject(session.run)
    const question = this.question(session, { call: null, reason, position, now: this.clock.now(), what })
    return { begin: [question.step], tell: question.tell, also: question.ask }
  }

  private async callAll(turn: Turn, steps: readonly ToolStep[]): Promise<void> {
    const { session, signal } = turn
    const calls = steps.map(async (step) => {
      const result = await this.call(turn, step)
      const end = endOf(step.position, result.isError ? 'failed' : 'completed', result)
      await this.journal.write(session, { end: [end], tell: finishedTool(session, end) }, signal)
    })
    const outcomes = await Promise.allSettled(calls)
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed) throw failed.reason
  }

  private async call({ session, context, signal }: Turn, step: ToolStep): Promise<CallResult> {
    const { tenantId, runId } = session.run
    const tool = context.bound.get(step.name)
    if (!tool) return { text: `There is no tool ${step.name}.`, isError: true }
    try {
      // The same for a call that is repeated, whoever repeats it.
      const callId = `${runId}-${step.request.callId}`
      return await tool.call(step.request.arguments, { tenantId, runId, callId, signal })
    } catch (error) {
      if (signal.aborted) throw signal.reason
      this.logger.error({ err: error, event: 'tool_crashed', runId, tool: step.name }, 'tool_crashed')
      return { text: 'The tool broke.', isError: true }
    }
  }

  private toolStep({ session, context }: Turn, call: ModelToolCall, position: number, startedAt: Date): ToolStep {
    const isIdempotent = context.bound.get(call.name)?.isIdempotent ?? true
    return {
      kind: 'tool',
      position,
      status: 'running',
      name: call.name,
      request: { callId: call.id, arguments: call.arguments, isIdempotent },
      result: null,
      attempt: session.run.attempt,
      startedAt,
    }
  }

  private question(session: RunSession, { call, reason, position, now, what }: Question) {
    const { run } = session
    const asked = call ? call.arguments : what
    const approvalId = newId()
    const argumentsHash = hashArguments(asked).toString('hex')
    const step: ApprovalStep = {
      kind: 'approval',
      position,
      status: 'running',
      name: call?.name ?? run.agent,
      request: { reason, callId: call?.id ?? null, argumentsHash },
      result: null,
      attempt: run.attempt,
      startedAt: now,
      approvalId,
    }
    const tool = call?.name ?? null
    const tell: Telling[] = [
      stepStarted(step),
      { type: 'approval.requested', data: { step: position, approvalId, reason, tool, argumentsHash } },
    ]
    const { tenantId, runId, agent, userId } = run
    const request = {
      id: approvalId,
      tenantId,
      runId,
      position,
      agent,
      reason,
      tool,
      arguments: asked,
      requestedBy: userId,
    }
    return { step, tell, ask: (tx: Tx) => this.approvals.request(request, tx) }
  }
}

interface Question {
  readonly call: ModelToolCall | null
  readonly reason: ApprovalStep['request']['reason']
  readonly position: number
  readonly now: Date
  /** What the question is about, where it is no call. */
  readonly what?: unknown
}

function isDelegation({ call }: DueCall): boolean {
  return call.name === DELEGATE_TOOL
}

/** A delegation that is refused has ended before it began: its result says why. */
function delegationStep(session: RunSession, delegation: PlannedDelegation, position: number, startedAt: Date) {
  const { call, agent, task } = delegation
  const isRefused = 'refusal' in delegation
  const step: Step = {
    kind: 'delegation',
    position,
    status: isRefused ? 'failed' : 'running',
    name: agent,
    request: { callId: call.id, agent, task },
    result: isRefused ? { text: delegation.refusal, isError: true } : null,
    attempt: session.run.attempt,
    startedAt,
    childRunId: isRefused ? null : delegation.child.id,
  }
  const tell: Telling[] = isRefused
    ? [stepStarted(step), stepFinished(step, endOf(position, 'failed', null))]
    : [stepStarted(step), { type: 'run.delegated', data: { step: position, runId: delegation.child.id, agent, task } }]
  return { step, tell }
}

function toolCalled({ position, name, request }: ToolStep): Telling {
  const { callId, arguments: args } = request
  return { type: 'tool.called', data: { step: position, callId, tool: name, arguments: args } }
}

function finishedTool(session: RunSession, end: StepEnd): Telling[] {
  const step = session.steps.find(({ position }) => position === end.position)
  if (step?.kind !== 'tool') return []
  const { position, name, request } = step
  const data = { step: position, callId: request.callId, tool: name, status: end.status }
  return [{ type: 'tool.finished', data }, stepFinished(step, end)]
}
