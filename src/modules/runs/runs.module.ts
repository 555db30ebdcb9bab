import { Module } from '@nestjs/common'
import { AgentsModule } from '#modules/agents'
import { ApprovalsModule } from '#modules/approvals'
import { AuthModule } from '#modules/auth'
import { CostsModule } from '#modules/costs'
import { ModelsModule } from '#modules/models'
import { ProjectsModule } from '#modules/projects'
import { ToolsModule } from '#modules/tools'
import { AgentRunController } from './agent-run.controller.js'
import { ApprovalDecisions } from './approval-decisions.subscriber.js'
import { Awaited } from './engine/awaited.service.js'
import { CallSteps } from './engine/call-steps.service.js'
import { Delegation } from './engine/delegation.service.js'
import { DelegationsRepository } from './engine/delegations.repository.js'
import { DeltaWriter } from './engine/delta-writer.service.js'
import { InterruptedCalls } from './engine/interrupted-calls.service.js'
import { JournalRepository } from './engine/journal.repository.js'
import { ModelSteps } from './engine/model-steps.service.js'
import { OutputReader } from './engine/output-reader.service.js'
import { PromptSizes } from './engine/prompt-sizes.service.js'
import { QueueRepository } from './engine/queue.repository.js'
import { RunBell } from './engine/run-bell.service.js'
import { RunCharges } from './engine/run-charges.service.js'
import { RunClaims } from './engine/run-claims.service.js'
import { RunContexts } from './engine/run-contexts.service.js'
import { RunDispatcher } from './engine/run-dispatcher.job.js'
import { RunExecutor } from './engine/run-executor.service.js'
import { RunHandOver } from './engine/run-hand-over.service.js'
import { RunIntake } from './engine/run-intake.service.js'
import { RunJournal } from './engine/run-journal.service.js'
import { RunLeases } from './engine/run-leases.service.js'
import { RunLimits } from './engine/run-limits.service.js'
import { RunSettler } from './engine/run-settler.service.js'
import { RunTrees } from './engine/run-trees.service.js'
import { RunTreesRepository } from './engine/run-trees.repository.js'
import { RunWaiters } from './engine/run-waiters.service.js'
import { RunWorker } from './engine/run-worker.service.js'
import { PromptBounds } from './prompt-bounds.service.js'
import { RunAdmissions } from './run-admissions.service.js'
import { ReratedEntries } from './rerated-entries.subscriber.js'
import { RunCancellation } from './run-cancellation.service.js'
import { RunCostsRepository } from './run-costs.repository.js'
import { RunCreator } from './run-creator.service.js'
import { RunOrders } from './run-orders.service.js'
import { RunPlanner } from './run-planner.service.js'
import { RunQueries } from './run-queries.service.js'
import { RunRetry } from './run-retry.service.js'
import { RunEventLog } from './streaming/run-event-log.service.js'
import { RunEventsController } from './streaming/run-events.controller.js'
import { RunEventsRepository } from './streaming/run-events.repository.js'
import { RunFeed } from './streaming/run-feed.service.js'
import { RunLogs } from './streaming/run-logs.service.js'
import { RunStreams } from './streaming/run-streams.service.js'
import { RunsController } from './runs.controller.js'
import { RunsRepository } from './runs.repository.js'
import { RunsService } from './runs.service.js'

@Module({
  imports: [AuthModule, AgentsModule, ApprovalsModule, ToolsModule, ModelsModule, CostsModule, ProjectsModule],
  controllers: [RunsController, RunEventsController, AgentRunController],
  providers: [
    RunsService,
    RunQueries,
    RunCreator,
    RunPlanner,
    RunsRepository,
    Awaited,
    CallSteps,
    Delegation,
    DelegationsRepository,
    DeltaWriter,
    InterruptedCalls,
    JournalRepository,
    ModelSteps,
    OutputReader,
    PromptSizes,
    QueueRepository,
    RunBell,
    RunCharges,
    RunClaims,
    RunContexts,
    RunDispatcher,
    RunExecutor,
    RunHandOver,
    RunIntake,
    RunJournal,
    RunLeases,
    RunLimits,
    RunSettler,
    RunTrees,
    RunTreesRepository,
    RunWaiters,
    RunWorker,
    PromptBounds,
    RunAdmissions,
    RunCancellation,
    RunOrders,
    RunRetry,
    ApprovalDecisions,
    ReratedEntries,
    RunCostsRepository,
    RunFeed,
    RunEventLog,
    RunEventsRepository,
    RunLogs,
    RunStreams,
  ],
  exports: [RunOrders],
})
export class RunsModule {}
