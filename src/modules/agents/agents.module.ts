import { Module } from '@nestjs/common'
import { ModelsModule } from '#modules/models'
import { ToolsModule } from '#modules/tools'
import { AgentDirectory } from './agent-directory.js'
import { AgentsController } from './agents.controller.js'
import { AgentsRepository } from './agents.repository.js'
import { BuiltInAgents } from './built-in-agents.service.js'
import { AgentCheck } from './publishing/agent-check.service.js'
import { AgentWriter } from './publishing/agent-writer.service.js'
import { OwnAgentsController } from './publishing/own-agents.controller.js'
import { OwnAgents } from './publishing/own-agents.service.js'
import { AgentVersionsController } from './versions/agent-versions.controller.js'
import { AgentVersions } from './versions/agent-versions.service.js'

@Module({
  imports: [ModelsModule, ToolsModule],
  controllers: [AgentsController, OwnAgentsController, AgentVersionsController],
  providers: [AgentDirectory, AgentsRepository, BuiltInAgents, OwnAgents, AgentCheck, AgentWriter, AgentVersions],
  exports: [AgentDirectory],
})
export class AgentsModule {}
