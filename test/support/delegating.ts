import type { Behaviour, ModelSimulator } from './model-simulator.js'
import type { SimulatedRequest } from './model-simulator/request.js'

/** What the overseer is asked in these tests. */
export const LEAD = 'Lead.'

/** Whether a request comes with the results of calls that the model has asked for. */
export function hasResults({ body }: SimulatedRequest): boolean {
  const messages = body['messages'] as { role: string }[]
  return messages.some(({ role }) => role === 'tool')
}

/** The overseer gives these tasks to the developer, and answers when it has their results; `rule` is for all other requests. */
export function delegateTo(
  simulator: ModelSimulator,
  tasks: readonly string[],
  rule: (request: SimulatedRequest) => Behaviour | null = () => null,
): void {
  const toolCalls = tasks.map((task) => ({ name: 'delegate', arguments: { agent: 'developer', task } }))
  simulator.when((request) => {
    if (request.lastUserText !== LEAD) return rule(request)
    return hasResults(request) ? { reply: 'All is done.' } : { toolCalls }
  })
}
