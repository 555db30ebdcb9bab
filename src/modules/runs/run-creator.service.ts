import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { ApiKeyDirectory } from '#modules/auth'
import { type Admission, BudgetReservations } from '#modules/costs'
import { ProjectDirectory } from '#modules/projects'
import { Database } from '#platform/database/database.js'
import { GroupCommit } from '#platform/database/group-commit.js'
import type { Tx } from '#platform/database/tx.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { RunIntake, type RunSeat } from './engine/run-intake.service.js'
import { RunAdmissions } from './run-admissions.service.js'
import type { PlannedRun } from './run-planner.service.js'

/** A run that is to be written down. */
interface NewRun {
  readonly run: PlannedRun
  readonly seat: RunSeat
  /** What of its first call is to be paid for; null: nothing. */
  readonly admission: Omit<Admission, 'projectId'> | null
  /** Output tokens that are. */
  admittedTokens: number | null
}

/** Writes a new run down, with the key of the request that asked for it and what its first call may cost, in one transaction. */
@Injectable()
export class RunCreator {
  private readonly commits = new GroupCommit<NewRun>({
    commit: (tenantId, runs) => this.database.flight({ tenantId }, (tx) => this.addAll(runs, tx)),
  })

  constructor(
    private readonly database: Database,
    private readonly intake: RunIntake,
    private readonly projects: ProjectDirectory,
    private readonly keys: ApiKeyDirectory,
    private readonly admissions: RunAdmissions,
    private readonly reservations: BudgetReservations,
    private readonly idempotency: Idempotency,
  ) {}

  /** The run that an earlier attempt of this request has created. */
  get earlierRunId(): string | undefined {
    return this.idempotency.boundResource
  }

  /** @throws AppError `validation_failed` for the project, `project_archived`, `budget_exceeded`, `unauthenticated`, `idempotency_in_flight` */
  async create(run: PlannedRun, project: string | undefined): Promise<void> {
    const admission = await this.findAdmission(run, project)
    using seat = this.intake.reserve(run.tenantId)
    const added: NewRun = { run, seat, admission, admittedTokens: null }
    try {
      await this.add(added, project)
    } catch (error) {
      throw admission ? await this.reservations.explain(error, { ...admission, projectId: null }) : error
    }
    seat.start(added.admittedTokens)
  }

  private async findAdmission(run: PlannedRun, project: string | undefined): Promise<NewRun['admission']> {
    const worst = await this.admissions.worstOf(run, project !== undefined)
    const { tenantId, id: runId, agent, apiKeyId, createdAt: moment } = run
    return worst && { tenantId, runId, agent, apiKeyId, worst, moment }
  }

  /** A run is plain when its creation depends on nothing that has to be looked up first. */
  private async add(added: NewRun, project: string | undefined): Promise<void> {
    const { run, admission } = added
    const { tenantId } = run
    const isPlain = project === undefined && run.apiKeyId === null && !this.idempotency.isAsked
    if (!isPlain) return this.database.transaction({ tenantId }, (tx) => this.addAfterLooking(added, project, tx))
    if (admission) await this.reservations.assertRoomIfRefusedLately({ ...admission, projectId: null })
    await this.commits.add(tenantId, added)
  }

  private async addAfterLooking(added: NewRun, project: string | undefined, tx: Tx): Promise<void> {
    const { run, seat } = added
    await this.keys.assertThere(run, tx)
    const projectId = await this.claimProject(project, tx)
    tx.withCommit(() => this.admit(added, projectId, tx))
    await Promise.all([this.idempotency.bind(run.id, tx), seat.add({ ...run, projectId }, tx)])
  }

  /** Budgets last: their lock is held no longer than the commit takes. */
  private async addAll(runs: readonly NewRun[], tx: Tx): Promise<void> {
    const added = runs.map(({ run, seat }) => seat.add({ ...run, projectId: null }, tx))
    await Promise.all([...added, ...runs.map((run) => this.admit(run, null, tx))])
  }

  /** A run that waits for a person is only let in: nobody else is to wait for him as well. */
  private async admit(added: NewRun, projectId: string | null, tx: Tx): Promise<void> {
    const { run, admission } = added
    if (!admission) return
    if (run.input.startApproval) await this.reservations.check({ ...admission, projectId }, tx)
    else added.admittedTokens = await this.reservations.admit({ ...admission, projectId }, tx)
  }

  private async claimProject(slug: string | undefined, tx: Tx): Promise<string | null> {
    if (slug === undefined) return null
    const projectId = await this.projects.claim(slug, tx)
    if (projectId === null) throw invalidField('/project', 'There is no such project.')
    return projectId
  }
}
