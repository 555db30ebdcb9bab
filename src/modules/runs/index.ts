export { RunFinished } from './run.events.js'
export { RunsModule } from './runs.module.js'
