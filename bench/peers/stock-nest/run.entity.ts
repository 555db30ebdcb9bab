import { Column, Entity, PrimaryColumn } from 'typeorm'

/** The columns of `../runs-table.ts`. */
@Entity('runs')
export class RunEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  @Column('text')
  agent!: string

  @Column('integer', { name: 'agent_version' })
  agentVersion!: number

  @Column('text', { nullable: true })
  project!: string | null

  @Column('text')
  status!: string

  @Column('text')
  task!: string

  @Column('text', { nullable: true })
  context!: string | null

  @Column('jsonb', { nullable: true })
  output!: unknown

  @Column('jsonb', { nullable: true })
  error!: unknown

  @Column('text', { nullable: true })
  model!: string | null

  @Column('integer', { name: 'input_tokens' })
  inputTokens!: number

  @Column('integer', { name: 'cached_input_tokens' })
  cachedInputTokens!: number

  @Column('integer', { name: 'output_tokens' })
  outputTokens!: number

  @Column('integer', { name: 'reasoning_tokens' })
  reasoningTokens!: number

  @Column('integer', { name: 'total_tokens' })
  totalTokens!: number

  @Column('numeric', { name: 'cost_usd', nullable: true })
  costUsd!: string | null

  @Column('text')
  cache!: string

  @Column('integer')
  attempt!: number

  @Column('uuid', { name: 'parent_run_id', nullable: true })
  parentRunId!: string | null

  @Column('uuid', { name: 'schedule_id', nullable: true })
  scheduleId!: string | null

  @Column('jsonb')
  metadata!: unknown

  @Column('jsonb', { name: 'output_schema', nullable: true })
  outputSchema!: unknown

  @Column('jsonb', { nullable: true })
  limits!: unknown

  @Column('uuid', { name: 'created_by', nullable: true })
  createdBy!: string | null

  @Column('timestamptz', { name: 'lease_expires_at', nullable: true })
  leaseExpiresAt!: Date | null

  @Column('bigint')
  fence!: string

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'started_at', nullable: true })
  startedAt!: Date | null

  @Column('timestamptz', { name: 'finished_at', nullable: true })
  finishedAt!: Date | null

  @Column('integer', { name: 'duration_ms', nullable: true })
  durationMs!: number | null
}
