import type { Step, StepEnd, Telling } from './journal.js'

/** What followers are told when a step begins. */
export function stepStarted({ position, kind, name }: Pick<Step, 'position' | 'kind' | 'name'>): Telling {
  return { type: 'step.started', data: { step: position, kind, name } }
}

/** What followers are told when a step ends: what it used, not what came of it, which other events say. */
export function stepFinished(
  { position, kind, name }: Pick<Step, 'position' | 'kind' | 'name'>,
  end: StepEnd,
): Telling {
  const { status, usage, model, cache } = end
  const { costUsd, ...tokens } = usage
  const ofModel = kind === 'model' && { model, cache, usage: tokens, costUsd }
  return { type: 'step.finished', data: { step: position, kind, name, status, ...ofModel } }
}
