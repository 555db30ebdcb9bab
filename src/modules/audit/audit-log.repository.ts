import { Injectable } from '@nestjs/common'
import type { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database } from '#platform/database/database.js'
import type { Scope } from '#platform/database/scope.js'
import type { Tx } from '#platform/database/tx.js'
import type { ActorType, AuditEntry, ChainHead } from './audit-log.schemas.js'

/** The lowest value of a bigint: a forged row may have any sequence. */
const LOWEST_SEQUENCE = '-9223372036854775808'

/** With microseconds, where ours have none: a time that was moved by one of them is no longer what was hashed. */
const OCCURRED_AT = `coalesce(to_char(l.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'infinity')`
const COLUMNS = `l.sequence, l.id, ${OCCURRED_AT} AS occurred_at,
  l.actor_type, l.actor_id, l.action, l.resource_type, l.resource_id, l.before, l.after, l.address, l.request_id,
  encode(l.hash, 'hex') AS hash`

/** Planned anew for each call (they have no name), so that what is null falls away before an index is chosen. */
const CONDITIONS = `l.tenant_id = $10
    AND ($1::text IS NULL OR l.actor_type = $1) AND ($2::text IS NULL OR l.actor_id = $2)
    AND ($3::text IS NULL OR l.action = $3)
    AND ($4::text IS NULL OR l.resource_type = $4) AND ($5::text IS NULL OR l.resource_id = $5)
    AND ($6::timestamptz IS NULL OR l.occurred_at >= $6) AND ($7::timestamptz IS NULL OR l.occurred_at < $7)
    AND ($8::bigint IS NULL OR l.sequence < $8)`
const LIST = `SELECT ${COLUMNS} FROM audit_log l WHERE ${CONDITIONS} ORDER BY l.sequence DESC LIMIT $9`
/** What it matches, `audit_search`'s policy says: the migration tells why. */
const SEARCH = `SELECT ${COLUMNS} FROM audit_search s JOIN audit_log l ON l.tenant_id = s.tenant_id AND l.sequence = s.sequence
  WHERE s.tenant_id = $10 AND ($8::bigint IS NULL OR s.sequence < $8) AND ${CONDITIONS}
  ORDER BY s.sequence DESC LIMIT $9`

/** A new entry with what its place in the chain is computed from. */
export interface AuditAppend {
  readonly tenantId: string
  readonly facts: Omit<AuditEntry, 'sequence' | 'hash'>
  readonly payload: string
  readonly genesis: Buffer
  readonly searchText: string
}

/** What a list is narrowed to; absent fields narrow nothing. */
export interface AuditCriteria {
  readonly actorType: ActorType | undefined
  readonly actorId: string | undefined
  readonly action: string | undefined
  readonly resourceType: string | undefined
  readonly resourceId: string | undefined
  readonly from: Date | undefined
  readonly to: Date | undefined
}

export interface AuditSearch extends AuditCriteria {
  readonly tenantId: string
  readonly words: string
}

/** Where a page of the list begins, and how long it is. */
export interface AuditPosition {
  readonly below: string | undefined
  readonly limit: number
}

interface AuditRow {
  readonly sequence: string
  readonly id: string
  readonly occurred_at: string
  readonly actor_type: ActorType
  readonly actor_id: string | null
  readonly action: string
  readonly resource_type: string
  readonly resource_id: string
  readonly before: Record<string, unknown> | null
  readonly after: Record<string, unknown> | null
  readonly address: string | null
  readonly request_id: string | null
  readonly hash: string
}

/** `audit_log` and the ends of its chains: rows are added and read, never changed. */
@Injectable()
export class AuditLogRepository {
  private readonly requests: ConnectionPool

  constructor(database: Database) {
    this.requests = database.requests
  }

  /** Adds an entry to the end of its tenant's chain. From here to the commit all others who add to that chain wait. */
  async append({ tenantId, facts, payload, genesis, searchText }: AuditAppend, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'audit_append',
      text: `WITH head AS (
               INSERT INTO audit_chain_heads AS h (tenant_id, sequence, hash)
               VALUES ($1, 1, sha256($2::bytea || convert_to($3, 'UTF8')))
               ON CONFLICT (tenant_id) DO UPDATE
                 SET sequence = h.sequence + 1, hash = sha256(h.hash || convert_to($3, 'UTF8'))
               RETURNING sequence, hash),
             found_by AS (
               INSERT INTO audit_search (tenant_id, sequence, search)
               SELECT $1, head.sequence, to_tsvector('simple', $15) FROM head)
             INSERT INTO audit_log (tenant_id, sequence, hash, id, occurred_at, actor_type, actor_id, action, resource_type,
               resource_id, before, after, address, request_id)
             SELECT $1, head.sequence, head.hash, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM head`,
      values: [
        tenantId,
        genesis,
        payload,
        facts.id,
        facts.occurredAt,
        facts.actor.type,
        facts.actor.id,
        facts.action,
        facts.resource.type,
        facts.resource.id,
        facts.before && JSON.stringify(facts.before),
        facts.after && JSON.stringify(facts.after),
        facts.address,
        facts.requestId,
        searchText,
      ],
    })
  }

  /** Newest first; up to `limit`, from those before the sequence `below`. */
  async list(scope: Scope, criteria: AuditCriteria, page: AuditPosition): Promise<AuditEntry[]> {
    const values = [...criteriaValues(criteria, page), scope.tenantId]
    return (await this.requests.read<AuditRow>(scope, { text: LIST, values })).map(toEntry)
  }

  /** The same of those that `words` find, in the syntax of web searches. */
  async search({ tenantId, words, ...criteria }: AuditSearch, page: AuditPosition, tx: Tx): Promise<AuditEntry[]> {
    const setWords = { text: `SELECT set_config('app.audit_query', $1, true)`, values: [words] }
    const search = { text: SEARCH, values: [...criteriaValues(criteria, page), tenantId] }
    // Both on the wire at once: the server does one after the other.
    const [, rows] = await Promise.all([tx.query(setWords), tx.query<AuditRow>(search)])
    return rows.map(toEntry)
  }

  /** Where the chain should end by its head, and where the rows do, at one instant. */
  async readEnd(scope: Scope): Promise<{ head: ChainHead | null; lastSequence: string | null }> {
    const [row] = await this.requests.read<{ last: string | null; sequence: string | null; hash: string | null }>(
      scope,
      {
        name: 'audit_read_end',
        text: `SELECT l.last, h.sequence, encode(h.hash, 'hex') AS hash
               FROM (SELECT max(sequence) AS last FROM audit_log WHERE tenant_id = $1) l
               LEFT JOIN audit_chain_heads h ON h.tenant_id = $1`,
        values: [scope.tenantId],
      },
    )
    const hasHead = row !== undefined && row.sequence !== null && row.hash !== null
    const head = hasHead ? { sequence: Number(row.sequence), hash: String(row.hash) } : null
    return { head, lastSequence: row?.last ?? null }
  }

  /** The chain in its order: up to `limit` entries after the sequence `after` (from the very first when absent), to `upTo`. */
  async readChain(
    scope: Scope,
    { after, upTo, limit }: { after: number | undefined; upTo: string; limit: number },
  ): Promise<AuditEntry[]> {
    const rows = await this.requests.read<AuditRow>(scope, {
      name: 'audit_read_chain',
      text: `SELECT ${COLUMNS} FROM audit_log l WHERE l.tenant_id = $1 AND l.sequence >= $2 AND l.sequence <= $3
              ORDER BY l.sequence LIMIT $4`,
      values: [scope.tenantId, after === undefined ? LOWEST_SEQUENCE : after + 1, upTo, limit],
    })
    return rows.map(toEntry)
  }
}

/** `$1` to `$9` of both lists. */
function criteriaValues(criteria: AuditCriteria, { below, limit }: AuditPosition): unknown[] {
  const { actorType, actorId, action, resourceType, resourceId, from, to } = criteria
  const narrowing = [actorType, actorId, action, resourceType, resourceId, from, to, below]
  return [...narrowing.map((value) => value ?? null), limit]
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    id: row.id,
    sequence: Number(row.sequence),
    occurredAt: row.occurred_at.replace(/000Z$/, 'Z'),
    actor: { type: row.actor_type, id: row.actor_id },
    action: row.action,
    resource: { type: row.resource_type, id: row.resource_id },
    before: row.before,
    after: row.after,
    address: row.address,
    requestId: row.request_id,
    hash: row.hash,
  }
}
