import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { CostsModule } from '#modules/costs'
import { ModelsModule } from '#modules/models'
import { ProjectsModule } from '#modules/projects'
import { AgentRunController } from './agent-run.controller.js'
import { EngineRepository } from './engine/engine.repository.js'
import { OutputReader } from './engine/output-reader.service.js'
import { RunExecutor } from './engine/run-executor.service.js'
import { RunLeases } from './engine/run-leases.service.js'
import { RunSettler } from './engine/run-settler.service.js'
import { RunSweep } from './engine/run-sweep.job.js'
import { RunWaiters } from './engine/run-waiters.service.js'
import { RunWorker } from './engine/run-worker.job.js'
import { RunCreator } from './run-creator.service.js'
import { RunPlanner } from './run-planner.service.js'
import { RunQueries } from './run-queries.service.js'
import { RunsController } from './runs.controller.js'
import { RunsRepository } from './runs.repository.js'
import { RunsService } from './runs.service.js'

@Module({
  imports: [AgentsModule, ModelsModule, CostsModule, ProjectsModule],
  controllers: [RunsController, AgentRunController],
  providers: [
    RunsService,
    RunQueries,
    RunCreator,
    RunPlanner,
    RunsRepository,
    EngineRepository,
    OutputReader,
    RunExecutor,
    RunLeases,
    RunSettler,
    RunSweep,
    RunWaiters,
    RunWorker,
  ],
})
export class RunsModule {}
