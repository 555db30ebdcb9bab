import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A link that makes an account of a registration, once. Only the hash of its secret is kept. */
@Entity('pending_registrations')
export class PendingRegistrationEntity {
  @PrimaryColumn('bytea', { name: 'token_hash' })
  tokenHash!: Buffer

  /** Of the address. */
  @Column('bytea', { name: 'email_hash' })
  emailHash!: Buffer

  /** Who it would become; the same in all links of one registration. */
  @Column('uuid', { name: 'user_id' })
  userId!: string

  /** What was registered, with the hash of the password. */
  @Column('bytea')
  sealed!: Buffer

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date
}
