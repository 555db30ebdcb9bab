import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A person, who may belong to several tenants. */
@Entity('users')
export class UserEntity {
  @PrimaryColumn('uuid')
  id!: string

  /** Lower case. */
  @Column('text')
  email!: string

  @Column('text', { nullable: true })
  name!: string | null

  /** When somebody proved that he reads this address; null: not yet. */
  @Column('timestamptz', { name: 'email_verified_at', nullable: true })
  emailVerifiedAt!: Date | null

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date
}
