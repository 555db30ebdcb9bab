export { AgentDirectory } from './agent-directory.js'
export { AgentsModule } from './agents.module.js'
