import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'
import { McpCredentials } from './mcp-credentials.service.js'
import type { McpServerRecord } from './mcp-server.entity.js'
import type { ChangeMcpServerCommand, CreateMcpServerCommand } from './mcp-servers.schemas.js'

/** Decides what a server's row will be, and writes nothing. */
@Injectable()
export class McpServerDrafts {
  constructor(
    private readonly credentials: McpCredentials,
    private readonly outbound: OutboundClient,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `validation_failed` for a URL that may not be reached */
  create(tenantId: string, { name, url, headers }: CreateMcpServerCommand): McpServerRecord {
    this.checkUrl(url)
    const id = newId()
    const now = this.clock.now()
    const sealedHeaders = this.credentials.seal(headers, { tenantId, id })
    return { tenantId, id, name, url, sealedHeaders, createdAt: now, updatedAt: now }
  }

  /**
   * Null when nothing changes.
   * @throws AppError `validation_failed`, for a new URL without the headers, too
   */
  change(server: McpServerRecord, { url = server.url, headers }: ChangeMcpServerCommand): McpServerRecord | null {
    const isUrlNew = url !== server.url
    if (!isUrlNew && headers === undefined) return null
    if (isUrlNew) this.checkUrl(url)
    // Whoever does not know a credential must not have it sent to an address of his own.
    if (isUrlNew && headers === undefined && server.sealedHeaders !== null) {
      throw invalidField('/headers', 'Send the headers again with a new URL, or null for none.')
    }
    const sealedHeaders = headers === undefined ? server.sealedHeaders : this.credentials.seal(headers, server)
    // Two changes within a millisecond, or by replicas whose clocks differ, are two all the same.
    const updatedAt = new Date(Math.max(this.clock.now().getTime(), server.updatedAt.getTime() + 1))
    return { ...server, url, sealedHeaders, updatedAt }
  }

  private checkUrl(url: string): void {
    try {
      this.outbound.checkUrl(url)
    } catch (error) {
      if (error instanceof AppError) throw invalidField('/url', error.detail ?? error.code)
      throw error
    }
  }
}
