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

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null
}
