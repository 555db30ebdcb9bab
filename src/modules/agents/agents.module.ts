import { Module } from '@nestjs/common'
import { AgentDirectory } from './agent-directory.js'
import { AgentsController } from './agents.controller.js'

@Module({ controllers: [AgentsController], providers: [AgentDirectory], exports: [AgentDirectory] })
export class AgentsModule {}
