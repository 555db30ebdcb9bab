import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { ApiKeyBudgets } from '#modules/auth'
import { ProjectDirectory } from '#modules/projects'
import { Database } from '#platform/database/database.js'
import { GroupCommit } from '#platform/database/group-commit.js'
import type { Tx } from '#platform/database/tx.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { RunIntake, type RunSeat } from './engine/run-intake.service.js'
import type { PlannedRun } from './run-planner.service.js'

/** A run whose creation depends on nothing that has to be looked up first. */
interface PlainRun extends PlannedRun {
  readonly seat: RunSeat
}

/** Writes a new run down, with the key of the request that asked for it, in one transaction. */
@Injectable()
export class RunCreator {
  private readonly commits = new GroupCommit<PlainRun>({
    commit: (tenantId, runs) => this.database.flight({ tenantId }, (tx) => addAll(runs, tx)),
  })

  constructor(
    private readonly database: Database,
    private readonly intake: RunIntake,
    private readonly projects: ProjectDirectory,
    private readonly budgets: ApiKeyBudgets,
    private readonly idempotency: Idempotency,
  ) {}

  /** The run that an earlier attempt of this request has created. */
  get earlierRunId(): string | undefined {
    return this.idempotency.boundResource
  }

  /** @throws AppError `validation_failed` for the project, `budget_exceeded`, `idempotency_in_flight` */
  async create(run: PlannedRun, project: string | undefined): Promise<void> {
    const { tenantId } = run
    using seat = this.intake.reserve(tenantId)
    const isPlain = project === undefined && run.apiKeyId === null && !this.idempotency.isAsked
    if (isPlain) await this.commits.add(tenantId, { ...run, seat })
    else await this.database.transaction({ tenantId }, (tx) => this.add(run, seat, project, tx))
    seat.start()
  }

  private async add(run: PlannedRun, seat: RunSeat, project: string | undefined, tx: Tx): Promise<void> {
    await this.budgets.assertLeft(run, tx)
    const projectId = await this.findProject(project, tx)
    await Promise.all([this.idempotency.bind(run.id, tx), seat.add({ ...run, projectId }, tx)])
  }

  private async findProject(slug: string | undefined, tx: Tx): Promise<string | null> {
    if (slug === undefined) return null
    const projectId = await this.projects.findId(slug, tx)
    if (projectId === null) throw invalidField('/project', 'There is no such project.')
    return projectId
  }
}

async function addAll(runs: readonly PlainRun[], tx: Tx): Promise<void> {
  await Promise.all(runs.map(({ seat, ...run }) => seat.add({ ...run, projectId: null }, tx)))
}
