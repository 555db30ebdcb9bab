import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A user's password, apart from the profile that colleagues may read. */
@Entity('credentials')
export class CredentialEntity {
  @PrimaryColumn('uuid', { name: 'user_id' })
  userId!: string

  /** argon2id, with its parameters inside (PHC string format). */
  @Column('text', { name: 'password_hash' })
  passwordHash!: string

  @Column('timestamptz', { name: 'changed_at' })
  changedAt!: Date
}
