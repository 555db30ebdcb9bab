import { Column, Entity, PrimaryColumn } from 'typeorm'
import type { RunStatus } from './run-status.js'
import type { RunOutput, StartRunCommand } from './runs.schemas.js'

/** What of a command is kept beside the columns of its own. */
export type RunInput = Pick<StartRunCommand, 'outputSchema' | 'limits' | 'cache'> & {
  /** What stands in for the model, in this order. */
  readonly fallbackModels?: readonly string[]
  /** Who demands that a person allows the run before it begins. */
  readonly startApproval?: 'run' | 'agent'
}

/** The truth of a run. See the migration for what lease and fencing number do. */
@Entity('runs')
export class RunEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  @Column('uuid', { name: 'project_id', nullable: true })
  projectId!: string | null

  @Column('text')
  agent!: string

  @Column('integer', { name: 'agent_version' })
  agentVersion!: number

  @Column('text')
  status!: RunStatus

  @Column('text')
  task!: string

  @Column('text', { nullable: true })
  context!: string | null

  @Column('text')
  model!: string

  @Column('jsonb')
  input!: RunInput

  @Column('jsonb', { nullable: true })
  output!: RunOutput | null

  @Column('text', { name: 'error_code', nullable: true })
  errorCode!: string | null

  @Column('text', { name: 'error_detail', nullable: true })
  errorDetail!: string | null

  @Column('bigint', { name: 'input_tokens' })
  inputTokens!: number

  @Column('bigint', { name: 'cached_input_tokens' })
  cachedInputTokens!: number

  @Column('bigint', { name: 'output_tokens' })
  outputTokens!: number

  @Column('bigint', { name: 'reasoning_tokens' })
  reasoningTokens!: number

  /** Decimal string in US dollars; null when the model has no price. */
  @Column('numeric', { name: 'cost_usd', nullable: true })
  costUsd!: string | null

  @Column('text')
  cache!: 'hit' | 'miss' | 'off'

  @Column('integer')
  attempt!: number

  @Column('uuid', { name: 'parent_run_id', nullable: true })
  parentRunId!: string | null

  /** The run itself where nobody delegated it. */
  @Column('uuid', { name: 'root_run_id' })
  rootRunId!: string

  /** 0: nobody delegated it. */
  @Column('integer')
  depth!: number

  @Column('uuid', { name: 'schedule_id', nullable: true })
  scheduleId!: string | null

  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null

  /** The API key that started it; null: a person did. */
  @Column('uuid', { name: 'api_key_id', nullable: true })
  apiKeyId!: string | null

  @Column('jsonb')
  metadata!: Record<string, string>

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'started_at', nullable: true })
  startedAt!: Date | null

  @Column('timestamptz', { name: 'finished_at', nullable: true })
  finishedAt!: Date | null

  /** Its place among the runs that wait for a worker; null: it does not wait for one. */
  @Column('timestamptz', { name: 'queued_since', nullable: true })
  queuedSince!: Date | null

  @Column('timestamptz', { name: 'deadline_at', nullable: true })
  deadlineAt!: Date | null

  /** Since when it waits for a person: its time limit stands still. */
  @Column('timestamptz', { name: 'waiting_since', nullable: true })
  waitingSince!: Date | null

  /** Up to when it has been given the time back that its children waited for a person. */
  @Column('timestamptz', { name: 'time_given_until', nullable: true })
  timeGivenUntil!: Date | null

  @Column('timestamptz', { name: 'cancel_requested_at', nullable: true })
  cancelRequestedAt!: Date | null

  /** Number of the latest entry in its event log. */
  @Column('bigint', { name: 'last_event' })
  lastEvent!: number

  /** Steps that were begun, with those of its children. */
  @Column('integer')
  steps!: number

  @Column('bigint', { name: 'fencing_number' })
  fencingNumber!: string

  @Column('timestamptz', { name: 'lease_expires_at', nullable: true })
  leaseExpiresAt!: Date | null
}
