import { Column, Entity, PrimaryColumn } from 'typeorm'

/** What a team works on; runs and costs can belong to one. */
@Entity('projects')
export class ProjectEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  /** The name in URLs, unique in the tenant. */
  @Column('text')
  slug!: string

  @Column('text')
  name!: string

  @Column('text', { nullable: true })
  description!: string | null

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date

  /** Takes no new runs; null: it does. */
  @Column('timestamptz', { name: 'archived_at', nullable: true })
  archivedAt!: Date | null

  /** Gone for everybody; its runs and costs stay. */
  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt!: Date | null
}
