import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { isUnavailable } from '#platform/database/database-error.js'
import { Awaited } from './awaited.service.js'
import { CallSteps } from './call-steps.service.js'
import type { ApprovalStep, KeptAnswerWrite, ModelStep, Telling } from './journal.js'
import { InterruptedCalls } from './interrupted-calls.service.js'
import { ModelSteps } from './model-steps.service.js'
import { conversationOf, nextMove } from './next-move.js'
import { OutputReader } from './output-reader.service.js'
import type { RunContext } from './run-context.js'
import { RunContexts } from './run-contexts.service.js'
import { RunJournal } from './run-journal.service.js'
import type { Lease } from './run-leases.service.js'
import { composeRepair } from './run-prompt.js'
import type { RunSession } from './run-session.js'
import { RunSettler } from './run-settler.service.js'

const MAX_DETAIL_LENGTH = 500

interface Turn {
  readonly lease: Lease
  readonly session: RunSession
  readonly context: RunContext
  /** Lease and time limit. */
  readonly signal: AbortSignal
}

/** Works on one run until it ends or waits: looks at the journal, makes the next move, and looks again. */
@Injectable()
export class RunExecutor {
  constructor(
    private readonly config: AppConfig,
    private readonly contexts: RunContexts,
    private readonly awaited: Awaited,
    private readonly models: ModelSteps,
    private readonly interrupted: InterruptedCalls,
    private readonly calls: CallSteps,
    private readonly outputs: OutputReader,
    private readonly journal: RunJournal,
    private readonly settler: RunSettler,
  ) {}

  /** @throws AppError when the run fails; `signal`'s reason when that aborts */
  async execute(lease: Lease, session: RunSession, signal: AbortSignal): Promise<void> {
    if (session.isNew) session.defer({ tell: [runStarted(session)] })
    const context = await this.open(session, signal)
    const turn = { lease, session, context, signal }
    let keep: KeptAnswerWrite | null = null
    while (true) {
      signal.throwIfAborted()
      await this.awaited.catchUp(session)
      const move = nextMove(session.steps, context.rules)
      switch (move.do) {
        case 'call-model':
          keep = await this.ask(turn, move.interrupted)
          break
        case 'act':
          await this.calls.take(turn, move, keep)
          keep = null
          break
        case 'ask-to-start':
          return this.journal.park(session, this.calls.askToStart(session, move.reason), 'person', lease.signal)
        case 'wait':
          return this.journal.park(session, {}, move.isForPerson ? 'person' : 'children', lease.signal)
        case 'refuse':
          throw refused(move.approval)
        case 'answer': {
          const mismatch = await this.conclude(turn, move.step, keep)
          if (mismatch === null) return
          keep = await this.ask(turn, null, composeRepair(mismatch))
        }
      }
    }
  }

  /** What a lost worker's call has used is counted first of all: the run may end before it asks its model again. */
  private async open(session: RunSession, signal: AbortSignal): Promise<RunContext> {
    const opening = this.contexts.of(session.run, signal)
    const known = await opening.catch((error: unknown) => {
      if (isUnavailable(error)) throw error
      return null
    })
    await this.interrupted.count(session, known)
    this.assertProgress(session)
    return opening
  }

  private async ask(turn: Turn, interrupted: number | null, repair?: string): Promise<KeptAnswerWrite | null> {
    const { session, context } = turn
    const known = session.steps.find(({ position }) => position === interrupted)
    const request = repair ?? (known?.kind === 'model' ? known.request.repair : undefined)
    const messages = conversationOf(session.steps, context.prompt.prompt, context.rules)
    if (request !== undefined) messages.push({ role: 'user', text: request })
    return this.models.take({ ...turn, messages, repair: request, interrupted })
  }

  /** Ends the run with its last answer, unless that has to be repaired first: then, what is wrong with it. */
  private async conclude(
    { session, context, lease }: Turn,
    { result, request }: ModelStep,
    keep: KeptAnswerWrite | null,
  ): Promise<string | null> {
    if (!result) throw new Error('an answer without a result')
    const { outputSchema } = session.run.input
    const { data, mismatch } = outputSchema
      ? await this.outputs.readRequired(result.text, outputSchema)
      : { data: await this.outputs.findDefault(result.text, context.agent.outputSchema), mismatch: null }
    if (mismatch !== null && request.repair === undefined) return mismatch
    if (mismatch !== null) throw invalidOutput(mismatch)
    const output = { text: result.text, data, citations: [...result.citations] }
    await this.settler.complete(session, output, lease.signal, keep)
    return null
  }

  /** A run that has killed its workers again and again without getting any further is given up. */
  private assertProgress({ run, steps }: RunSession): void {
    const { RUN_MAX_ATTEMPTS } = this.config.settings
    const progress = Math.max(0, ...steps.filter(({ status }) => status !== 'running').map(({ attempt }) => attempt))
    if (run.attempt - progress <= RUN_MAX_ATTEMPTS) return
    const detail = `This run was not brought any further in ${RUN_MAX_ATTEMPTS} attempts.`
    throw new AppError('attempts_exhausted', 'internal', { detail })
  }
}

function runStarted({ run }: RunSession): Telling {
  const { agent, agentVersion, model } = run
  return { type: 'run.started', data: { agent, agentVersion, model } }
}

function refused({ result }: ApprovalStep): AppError {
  if (result?.status === 'expired') {
    return new AppError('approval_expired', 'forbidden', { detail: 'Nobody approved this run in time.' })
  }
  if (result?.status === 'approved') {
    const detail = 'What a person approved is not what this run is now.'
    return new AppError('approval_rejected', 'forbidden', { detail })
  }
  const detail = result?.comment ? `A person rejected this run: ${result.comment}` : 'A person rejected this run.'
  return new AppError('approval_rejected', 'forbidden', { detail })
}

function invalidOutput(mismatch: string): AppError {
  const detail = `The model's answer does not match outputSchema: ${mismatch}`.slice(0, MAX_DETAIL_LENGTH)
  return new AppError('output_invalid', 'upstream_failed', { detail })
}
