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

  /** argon2id, with its parameters inside (PHC string format). */
  @Column('text', { name: 'password_hash' })
  passwordHash!: string

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date
}
