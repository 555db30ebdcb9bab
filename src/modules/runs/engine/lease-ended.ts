/** Why work on a run stops without an outcome; the run itself goes on elsewhere or later. */
export class LeaseEnded extends Error {
  override readonly name = 'LeaseEnded'

  constructor(readonly reason: 'lost' | 'stopping') {
    super(`lease ${reason}`)
  }
}

/** Somebody wants the run to stop. */
export class RunStopped extends Error {
  override readonly name = 'RunStopped'

  constructor() {
    super('the run was cancelled')
  }
}
