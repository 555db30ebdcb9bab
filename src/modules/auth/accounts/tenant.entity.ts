import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A team: the border that no row, cost or event crosses. */
@Entity('tenants')
export class TenantEntity {
  @PrimaryColumn('uuid')
  id!: string

  @Column('text')
  name!: string

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date
}
