export type { RunFacts } from './run-facts.js'
export { RunCancelled, RunCompleted, RunFailed, RunFinished, RunStarted } from './run.events.js'
export { RunsModule } from './runs.module.js'
