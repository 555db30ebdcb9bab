import { Column, Entity, PrimaryColumn } from 'typeorm'

/** One sign-in of one user in one tenant. */
@Entity('sessions')
export class SessionEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  @Column('uuid', { name: 'user_id' })
  userId!: string

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  /** Idle end: moves with each refresh. */
  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date

  /** Absolute end: never moves. */
  @Column('timestamptz', { name: 'ends_at' })
  endsAt!: Date

  @Column('timestamptz', { name: 'last_used_at' })
  lastUsedAt!: Date

  @Column('text', { name: 'user_agent', nullable: true })
  userAgent!: string | null

  /** Where the sign-in or the last refresh came from. */
  @Column('text', { nullable: true })
  address!: string | null

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null
}
