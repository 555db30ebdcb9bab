import { Column, Entity, PrimaryColumn } from 'typeorm'
import type { Permission } from '#platform/http/principal.js'

/** A key as it is read: without its hash. */
export type ApiKeyRecord = Omit<ApiKeyEntity, 'keyHash'>

/** A key of one member. It is never changed but for its last use; what makes it work is kept as a hash only. */
@Entity('api_keys')
export class ApiKeyEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  /** The member that it acts for. */
  @Column('uuid', { name: 'user_id' })
  userId!: string

  @Column('text')
  name!: string

  @Column('text')
  prefix!: string

  /** Only ever written and compared. */
  @Column('bytea', { name: 'key_hash', select: false })
  keyHash!: Buffer

  @Column('text', { array: true })
  scopes!: Permission[]

  /** Null: the limit of its member's role. */
  @Column('integer', { name: 'rate_limit_per_minute', nullable: true })
  rateLimitPerMinute!: number | null

  /** Decimal string in US dollars; null: no budget. */
  @Column('numeric', { name: 'budget_usd', nullable: true })
  budgetUsd!: string | null

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt!: Date | null

  /** To the minute: not every use is written down. */
  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  lastUsedAt!: Date | null

  /** The key that made it, with which it goes; null: a person did. */
  @Column('uuid', { name: 'made_by_key_id', nullable: true })
  madeByKeyId!: string | null
}
