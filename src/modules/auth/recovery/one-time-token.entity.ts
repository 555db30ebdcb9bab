import { Column, Entity, PrimaryColumn } from 'typeorm'

export type OneTimeTokenKind = 'password_reset' | 'email_verification'

/** A link that works once. Only the hash of its secret is kept. */
@Entity('one_time_tokens')
export class OneTimeTokenEntity {
  @PrimaryColumn('bytea', { name: 'token_hash' })
  tokenHash!: Buffer

  @Column('uuid', { name: 'user_id' })
  userId!: string

  @Column('text')
  kind!: OneTimeTokenKind

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date

  /** Spent, or replaced by a newer one. */
  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null

  /** The tenant whose admin was handed the link; null: it went to the user's own address, or the server's operator made it. */
  @Column('uuid', { name: 'issued_in', nullable: true })
  issuedIn!: string | null

  /** That admin. */
  @Column('uuid', { name: 'issued_by', nullable: true })
  issuedBy!: string | null
}
