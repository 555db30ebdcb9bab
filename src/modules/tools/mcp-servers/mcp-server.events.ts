import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { McpServer } from './mcp-servers.schemas.js'

type Facts = Readonly<Record<string, unknown>>

export class McpServerCreated extends AuditedEvent {
  readonly type = 'mcp_server.created'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    server: McpServer,
  ) {
    super()
    this.audit = { action: 'mcp_server_created', resource: resourceOf(server), after: factsOf(server) }
  }
}

export class McpServerChanged extends AuditedEvent {
  readonly type = 'mcp_server.changed'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    { before, after, areHeadersNew }: { before: McpServer; after: McpServer; areHeadersNew: boolean },
  ) {
    super()
    this.audit = {
      action: 'mcp_server_changed',
      resource: resourceOf(after),
      before: factsOf(before),
      after: { ...factsOf(after), areHeadersNew },
    }
  }
}

export class McpServerDeleted extends AuditedEvent {
  readonly type = 'mcp_server.deleted'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    server: McpServer,
  ) {
    super()
    this.audit = { action: 'mcp_server_deleted', resource: resourceOf(server), before: factsOf(server) }
  }
}

function resourceOf({ id }: McpServer): AuditFacts['resource'] {
  return { type: 'mcp_server', id }
}

/** Never the headers themselves. */
function factsOf({ name, url, headerNames }: McpServer): Facts {
  return { name, url, headerNames }
}
