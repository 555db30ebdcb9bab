import { Column, Entity, PrimaryColumn } from 'typeorm'
import type { Role } from '#platform/http/principal.js'

/** An address that may join a tenant in a role, once. */
@Entity('invitations')
export class InvitationEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  /** Lower case. */
  @Column('text')
  email!: string

  @Column('text')
  role!: Role

  @Column('bytea', { name: 'token_hash' })
  tokenHash!: Buffer

  /** The user who made it. */
  @Column('uuid', { name: 'invited_by' })
  invitedBy!: string

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date

  /** Null: open, until it expires. */
  @Column('timestamptz', { name: 'accepted_at', nullable: true })
  acceptedAt!: Date | null
}
