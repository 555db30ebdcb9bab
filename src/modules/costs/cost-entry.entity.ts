import { Column, Entity, PrimaryColumn } from 'typeorm'

/** What one model call cost, with the price that it was made with. Amounts are decimal strings in US dollars. */
@Entity('cost_tracking')
export class CostEntryEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  @Column('uuid', { name: 'run_id' })
  runId!: string

  @Column('uuid', { name: 'project_id', nullable: true })
  projectId!: string | null

  /** The run's step that made the call. */
  @Column('integer', { nullable: true })
  step!: number | null

  /** The provider could not tell, so we counted: a call that was aborted, or broke. */
  @Column('boolean', { name: 'is_estimated' })
  isEstimated!: boolean

  @Column('text')
  agent!: string

  @Column('text')
  model!: string

  @Column('uuid', { name: 'user_id', nullable: true })
  userId!: string | null

  @Column('uuid', { name: 'api_key_id', nullable: true })
  apiKeyId!: string | null

  @Column('bigint', { name: 'input_tokens' })
  inputTokens!: number

  @Column('bigint', { name: 'cached_input_tokens' })
  cachedInputTokens!: number

  /** Of the input: put into the provider's cache. */
  @Column('bigint', { name: 'cache_write_tokens' })
  cacheWriteTokens!: number

  @Column('bigint', { name: 'output_tokens' })
  outputTokens!: number

  @Column('bigint', { name: 'reasoning_tokens' })
  reasoningTokens!: number

  @Column('numeric', { name: 'input_usd_per_million', nullable: true })
  inputUsdPerMillion!: string | null

  @Column('numeric', { name: 'cached_input_usd_per_million', nullable: true })
  cachedInputUsdPerMillion!: string | null

  @Column('numeric', { name: 'cache_write_usd_per_million', nullable: true })
  cacheWriteUsdPerMillion!: string | null

  @Column('numeric', { name: 'output_usd_per_million', nullable: true })
  outputUsdPerMillion!: string | null

  @Column('numeric', { name: 'reasoning_usd_per_million', nullable: true })
  reasoningUsdPerMillion!: string | null

  /** Null: nobody has said what the model costs. */
  @Column('numeric', { name: 'cost_usd', nullable: true })
  costUsd!: string | null

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date
}
