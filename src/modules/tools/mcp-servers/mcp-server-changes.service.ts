import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { McpServerDrafts } from './mcp-server-drafts.service.js'
import type { McpServerRecord } from './mcp-server.entity.js'
import { McpServerChanged, McpServerCreated, McpServerDeleted } from './mcp-server.events.js'
import { McpServersRepository } from './mcp-servers.repository.js'
import {
  addressOf,
  type ChangeMcpServerCommand,
  type CreateMcpServerCommand,
  type McpServer,
} from './mcp-servers.schemas.js'
import { McpServers, noSuchMcpServer } from './mcp-servers.service.js'

const MAX_MCP_SERVERS_PER_TENANT = 50
const CREATED = 201

/** Adds, changes and deletes a tenant's MCP servers. */
@Injectable()
export class McpServerChanges {
  constructor(
    private readonly database: Database,
    private readonly repository: McpServersRepository,
    private readonly drafts: McpServerDrafts,
    private readonly servers: McpServers,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws AppError `validation_failed`, `name_taken`, `mcp_server_limit_reached` */
  async create(tenantId: string, command: CreateMcpServerCommand): Promise<McpServer> {
    const server = this.drafts.create(tenantId, command)
    const created = this.servers.toView(server)
    await this.database.transaction({ tenantId }, async (tx) => {
      await this.assertRoom(server, tx)
      await this.repository.add(server, tx)
      await this.events.emit(new McpServerCreated(tenantId, created), tx)
      await this.idempotency.complete({ status: CREATED, body: created, location: addressOf(created) }, tx)
    })
    return created
  }

  /** @throws AppError `not_found`, `validation_failed` */
  async change(tenantId: string, id: string, command: ChangeMcpServerCommand): Promise<McpServer> {
    return this.database.transaction({ tenantId }, async (tx) => {
      const server = await this.getForChange(tenantId, id, tx)
      const before = this.servers.toView(server)
      const changed = this.drafts.change(server, command)
      if (!changed) return before
      await this.repository.update(changed, tx)
      const after = this.servers.toView(changed)
      const areHeadersNew = command.headers !== undefined
      await this.events.emit(new McpServerChanged(tenantId, { before, after, areHeadersNew }), tx)
      return after
    })
  }

  /** Agents that name it cannot use its tools from now on. @throws AppError `not_found` */
  async delete(tenantId: string, id: string): Promise<void> {
    await this.database.transaction({ tenantId }, async (tx) => {
      const server = await this.getForChange(tenantId, id, tx)
      await this.repository.delete(server, tx)
      await this.events.emit(new McpServerDeleted(tenantId, this.servers.toView(server)), tx)
    })
  }

  private async getForChange(tenantId: string, id: string, tx: Tx): Promise<McpServerRecord> {
    const server = await this.repository.findForChange({ tenantId, id }, tx)
    if (!server) throw noSuchMcpServer()
    return server
  }

  private async assertRoom({ tenantId, name }: McpServerRecord, tx: Tx): Promise<void> {
    if ((await this.repository.countForAdding(tenantId, tx)) >= MAX_MCP_SERVERS_PER_TENANT) {
      throw new AppError('mcp_server_limit_reached', 'conflict', {
        detail: `A tenant has at most ${MAX_MCP_SERVERS_PER_TENANT} MCP servers: delete one that is not used.`,
      })
    }
    if (!(await this.repository.findByName({ tenantId, name }, tx))) return
    throw new AppError('name_taken', 'conflict', { detail: `There is an MCP server ${name} already.` })
  }
}
