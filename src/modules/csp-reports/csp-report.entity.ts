import { Column, Entity, PrimaryColumn } from 'typeorm'

/** One kind of violation, however often browsers have reported it. */
@Entity('csp_reports')
export class CspReportEntity {
  /** SHA-256 of what makes it this kind: directive, document and what was blocked. */
  @PrimaryColumn('bytea')
  fingerprint!: Buffer

  @Column('text', { name: 'document_uri' })
  documentUri!: string

  @Column('text')
  directive!: string

  @Column('text', { name: 'blocked_uri' })
  blockedUri!: string

  @Column('bigint')
  hits!: number

  @Column('timestamptz', { name: 'first_seen_at' })
  firstSeenAt!: Date

  @Column('timestamptz', { name: 'last_seen_at' })
  lastSeenAt!: Date
}
