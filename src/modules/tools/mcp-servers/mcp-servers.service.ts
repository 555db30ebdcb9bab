import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database } from '#platform/database/database.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import { McpCredentials } from './mcp-credentials.service.js'
import type { McpServerRecord } from './mcp-server.entity.js'
import { McpServersRepository } from './mcp-servers.repository.js'
import type { McpServer, McpServerListQuery } from './mcp-servers.schemas.js'

/** A tenant's MCP servers, for those who look at them and for calls. */
@Injectable()
export class McpServers {
  constructor(
    private readonly database: Database,
    private readonly repository: McpServersRepository,
    private readonly credentials: McpCredentials,
  ) {}

  /** Newest first. */
  async list(tenantId: string, { limit, cursor }: McpServerListQuery): Promise<Page<McpServer>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.database.transaction({ tenantId }, (tx) =>
      this.repository.list(tenantId, { after, limit: limit + 1 }, tx),
    )
    const views = rows.map((row) => this.toView(row))
    return toPage(views, limit, ({ id }) => id)
  }

  /** With its sealed headers. @throws AppError `not_found` */
  async get(tenantId: string, id: string): Promise<McpServerRecord> {
    const server = await this.find(this.database.requests, { tenantId, id })
    if (!server) throw noSuchMcpServer()
    return server
  }

  /** For a request: null when there is none. */
  findByName(tenantId: string, name: string): Promise<McpServerRecord | null> {
    return this.database.transaction({ tenantId }, (tx) => this.repository.findByName({ tenantId, name }, tx))
  }

  /** The same for background work, such as a run. */
  findByNameForRun(tenantId: string, name: string): Promise<McpServerRecord | null> {
    return this.database.workers.transaction({ tenantId }, (tx) => this.repository.findByName({ tenantId, name }, tx))
  }

  /** As it is now, which may be another than when its tools were listed. */
  findForRun(tenantId: string, id: string): Promise<McpServerRecord | null> {
    return this.find(this.database.workers, { tenantId, id })
  }

  toView(server: McpServerRecord): McpServer {
    const headers = this.credentials.find(server)
    return {
      id: server.id,
      name: server.name,
      url: server.url,
      headerNames: headers && Object.keys(headers),
      createdAt: server.createdAt.toISOString(),
      updatedAt: server.updatedAt.toISOString(),
    }
  }

  private find(pool: ConnectionPool, key: { tenantId: string; id: string }): Promise<McpServerRecord | null> {
    return pool.transaction({ tenantId: key.tenantId }, (tx) => this.repository.find(key, tx))
  }
}

/** The same for another tenant's server as for one that never was. */
export function noSuchMcpServer(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such MCP server.' })
}
