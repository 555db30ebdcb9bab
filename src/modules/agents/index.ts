export type { AgentDefinition } from './agent-definition.js'
export { AgentDirectory } from './agent-directory.js'
export { AgentsModule } from './agents.module.js'
export { modelNameSchema, runLimitsSchema } from './run-options.js'
