import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A server as it is read. */
export type McpServerRecord = Pick<McpServerEntity, keyof McpServerEntity>

/** A remote MCP server of a tenant. */
@Entity('mcp_servers')
export class McpServerEntity {
  @PrimaryColumn('uuid', { name: 'tenant_id' })
  tenantId!: string

  @PrimaryColumn('uuid')
  id!: string

  /** Agents name it by this; it never changes. */
  @Column('text')
  name!: string

  @Column('text')
  url!: string

  /** The headers that let us in, sealed (see `McpCredentials`); null: none. */
  @Column('bytea', { name: 'sealed_headers', nullable: true })
  sealedHeaders!: Buffer | null

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date

  /** Later with each change: lists of tools are kept under it. */
  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date
}
