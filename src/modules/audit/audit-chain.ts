import { createHash } from 'node:crypto'
import type { AuditEntry, ChainBreak, ChainHead } from './audit-log.schemas.js'
import { canonicalJson } from './canonical-json.js'

/** Raised when the payload below changes; rows say by it which form they were hashed in. */
const PAYLOAD_VERSION = 1

/** All of an entry that its hash covers: everything but the hash, and the sequence, which its place in the chain is. */
export type ChainedFacts = Omit<AuditEntry, 'sequence' | 'hash'>

/**
 * The text that is hashed: canonical JSON (RFC 8785) of the entry as the API shows it, without `sequence` and `hash`, with
 * its tenant and the version of this form. README.md is its specification for auditors: change neither without the other.
 */
export function canonicalPayload(tenantId: string, facts: ChainedFacts): string {
  const { id, occurredAt, actor, action, resource, before, after, address, requestId } = facts
  const covered = { id, occurredAt, actor, action, resource, before, after, address, requestId }
  return canonicalJson({ v: PAYLOAD_VERSION, tenantId, ...covered })
}

/** What stands before a tenant's first entry: one tenant's chain can never pass for another's. */
export function genesisHash(tenantId: string): Buffer {
  return createHash('sha256').update(`temponest audit chain ${tenantId}`).digest()
}

export function nextHash(previous: Buffer, payload: string): Buffer {
  return createHash('sha256').update(previous).update(payload, 'utf8').digest()
}

/** Walks a tenant's chain in its order, and stops at the first entry that does not fit. */
export class ChainWalk {
  checked = 0
  private hash: Buffer

  constructor(
    private readonly tenantId: string,
    private readonly head: ChainHead | null,
  ) {
    this.hash = genesisHash(tenantId)
  }

  /** What is wrong at this entry, which is the next one by sequence; null when it fits. */
  step(entry: AuditEntry): ChainBreak | null {
    const expected = this.checked + 1
    const here = { sequence: entry.sequence, id: entry.id }
    if (entry.sequence > expected) return { sequence: expected, id: null, reason: 'missing' }
    const isBeyondHead = this.head !== null && entry.sequence > this.head.sequence
    if (entry.sequence < expected || isBeyondHead) return { ...here, reason: 'inserted' }
    this.hash = nextHash(this.hash, canonicalPayload(this.tenantId, entry))
    if (this.hash.toString('hex') !== entry.hash) return { ...here, reason: 'changed' }
    this.checked = expected
    return null
  }

  /** What is wrong with where the chain ends; null when it ends at its head. */
  finish(): ChainBreak | null {
    const last = this.checked
    if (this.head === null) return last === 0 ? null : { sequence: last, id: null, reason: 'head_missing' }
    if (this.head.sequence > last) return { sequence: last + 1, id: null, reason: 'truncated' }
    const fits = this.head.sequence === last && this.head.hash === this.hash.toString('hex')
    return fits ? null : { sequence: last, id: null, reason: 'head_changed' }
  }
}
