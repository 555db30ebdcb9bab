import { Column, Entity, PrimaryColumn } from 'typeorm'
import type { Role } from '#platform/http/principal.js'

/** What a user is in a tenant. */
@Entity('memberships')
export class MembershipEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid', { name: 'user_id' })
  userId!: string

  @Column('text')
  role!: Role

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  /** Suspended in this tenant since; null: not. */
  @Column('timestamptz', { name: 'disabled_at', nullable: true })
  disabledAt!: Date | null
}
