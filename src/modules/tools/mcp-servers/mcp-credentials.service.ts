import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Sealer } from '#platform/secrets/sealer.js'
import type { McpServerRecord } from './mcp-server.entity.js'

type McpHeaders = Record<string, string>

interface Place {
  readonly tenantId: string
  readonly id: string
}

/** Seals the headers that let us into MCP servers, and opens them for a call. */
@Injectable()
export class McpCredentials {
  constructor(private readonly sealer: Sealer) {}

  /** Null for none. */
  seal(headers: McpHeaders | null | undefined, place: Place): Buffer | null {
    if (!headers || Object.keys(headers).length === 0) return null
    return this.sealer.seal(Buffer.from(JSON.stringify(headers)), placeOf(place))
  }

  /** Null when they cannot be read: they were sealed under a secret that is gone, and must be sent again. */
  find({ sealedHeaders, ...place }: Place & Pick<McpServerRecord, 'sealedHeaders'>): McpHeaders | null {
    if (sealedHeaders === null) return {}
    try {
      return JSON.parse(this.sealer.open(sealedHeaders, placeOf(place)).toString()) as McpHeaders
    } catch (error) {
      if (error instanceof AppError && error.code === 'seal_unreadable') return null
      throw error
    }
  }
}

/** They open in this row and in no other. */
function placeOf({ tenantId, id }: Place): string {
  return `mcp_servers:${tenantId}:${id}`
}
