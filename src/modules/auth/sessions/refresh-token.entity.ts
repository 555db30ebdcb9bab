import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A link of a session's chain of refresh tokens; only the hash of the token is kept. */
@Entity('refresh_tokens')
export class RefreshTokenEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  /** SHA-256 of the token. */
  @PrimaryColumn('bytea', { name: 'token_hash' })
  tokenHash!: Buffer

  @Column('uuid', { name: 'session_id' })
  sessionId!: string

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date

  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null
}
