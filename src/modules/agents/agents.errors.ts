import { AppError } from '#kernel/app-error.js'

/** The same for another tenant's agent as for one that never was. */
export function noSuchAgent(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such agent.' })
}

export function slugTaken(): AppError {
  return new AppError('slug_taken', 'conflict', { detail: 'There is an agent of this slug already: choose another.' })
}

export function agentLimitReached(limit: number): AppError {
  return new AppError('agent_limit_reached', 'conflict', {
    detail: `A team has at most ${limit} agents of its own: delete one that is not used.`,
  })
}

/** Everybody can see it, so that it is no 404, and nobody can change it. */
export function agentBuiltIn(): AppError {
  return new AppError('agent_built_in', 'conflict', {
    detail: 'This agent came with the server and cannot be changed: make one of your own.',
  })
}
