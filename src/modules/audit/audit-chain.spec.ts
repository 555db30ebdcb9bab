import { describe, expect, it } from '@jest/globals'
import { canonicalPayload, type ChainedFacts, ChainWalk, genesisHash, nextHash } from './audit-chain.js'
import type { AuditEntry } from './audit-log.schemas.js'

const TENANT = '0199f0f0-0000-7000-8000-000000000001'
const FACTS: ChainedFacts = {
  id: '0199f0f0-0000-7000-8000-00000000000a',
  occurredAt: '2026-01-02T03:04:05.678Z',
  actor: { type: 'user', id: 'u1' },
  action: 'role_changed',
  resource: { type: 'member', id: 'm1' },
  before: { role: 'member' },
  after: { role: 'admin' },
  address: '192.0.2.1',
  requestId: 'r1',
}

function chainOf(length: number, tenantId = TENANT): AuditEntry[] {
  let hash = genesisHash(tenantId)
  return Array.from({ length }, (_, index) => {
    const facts = { ...FACTS, requestId: `r${index + 1}` }
    hash = nextHash(hash, canonicalPayload(tenantId, facts))
    return { ...facts, sequence: index + 1, hash: hash.toString('hex') }
  })
}

function walk(entries: AuditEntry[], head = headOf(entries)) {
  const chain = new ChainWalk(TENANT, head)
  const broken = entries.map((entry) => chain.step(entry)).find((one) => one !== null)
  return { broken: broken ?? chain.finish(), checked: chain.checked }
}

function headOf(entries: AuditEntry[]): { sequence: number; hash: string } | null {
  const last = entries.at(-1)
  return last ? { sequence: last.sequence, hash: last.hash } : null
}

describe('the chain', () => {
  // Fixed for good: a change here makes every log in the field look forged. A new form needs a new version.
  // The hashes are Python's, not ours.
  it('has this payload and these hashes, which auditors compute for themselves', () => {
    expect(canonicalPayload(TENANT, FACTS)).toBe(
      '{"action":"role_changed","actor":{"id":"u1","type":"user"},"address":"192.0.2.1","after":{"role":"admin"},' +
        '"before":{"role":"member"},"id":"0199f0f0-0000-7000-8000-00000000000a","occurredAt":"2026-01-02T03:04:05.678Z",' +
        '"requestId":"r1","resource":{"id":"m1","type":"member"},"tenantId":"0199f0f0-0000-7000-8000-000000000001","v":1}',
    )
    expect(genesisHash(TENANT).toString('hex')).toBe('0c768b1bf835a0217ab5a9cec2f7f5eba61ee67be27ce97a36dccdd69dd73694')
    expect(chainOf(2).map(({ hash }) => hash)).toEqual([
      '1c1e26ec0ed36caa3628475c4ae0e454cd8f86dde1abe8a3f4a32a4ed32a01f6',
      '5ba90ba262f6e8836e693e49de8d7aabf8db49f34e1ab898427dc23ce002b555',
    ])
  })

  it('holds when it is whole, and when there is none', () => {
    expect(walk(chainOf(5))).toEqual({ broken: null, checked: 5 })
    expect(walk([])).toEqual({ broken: null, checked: 0 })
  })

  it("does not hold as another tenant's", () => {
    expect(walk(chainOf(3, '0199f0f0-0000-7000-8000-000000000002')).broken).toMatchObject({ sequence: 1 })
  })

  it.each<[string, Partial<AuditEntry>]>([
    ['id', { id: '0199f0f0-0000-7000-8000-00000000000b' }],
    ['occurredAt', { occurredAt: '2026-01-02T03:04:05.679Z' }],
    ['actor', { actor: { type: 'api_key', id: 'u1' } }],
    ['action', { action: 'role_change' }],
    ['resource', { resource: { type: 'member', id: 'm2' } }],
    ['before', { before: null }],
    ['after', { after: { role: 'viewer' } }],
    ['address', { address: null }],
    ['requestId', { requestId: 'r2' }],
    ['hash', { hash: '00' }],
  ])('breaks where the %s was changed', (_what, change) => {
    const entries = chainOf(5)
    entries[2] = { ...entries[2]!, ...change }
    expect(walk(entries).broken).toEqual({ sequence: 3, id: entries[2].id, reason: 'changed' })
  })

  it('breaks where an entry is missing, and where one was added before the first', () => {
    const entries = chainOf(5)
    expect(walk(entries.toSpliced(2, 1)).broken).toEqual({ sequence: 3, id: null, reason: 'missing' })
    const early = { ...entries[0]!, sequence: 0 }
    expect(walk([early, ...entries]).broken).toEqual({ sequence: 0, id: early.id, reason: 'inserted' })
  })

  it('breaks at its end where that is not its head', () => {
    const entries = chainOf(5)
    const head = headOf(entries)
    expect(walk(entries.slice(0, 3), head)).toEqual({
      broken: { sequence: 4, id: null, reason: 'truncated' },
      checked: 3,
    })
    expect(walk(entries, headOf(entries.slice(0, 4))).broken).toMatchObject({ sequence: 5, reason: 'inserted' })
    expect(walk(entries, { sequence: 5, hash: '00' }).broken).toMatchObject({ sequence: 5, reason: 'head_changed' })
    expect(walk(entries, null).broken).toMatchObject({ sequence: 5, reason: 'head_missing' })
    expect(walk([], head).broken).toMatchObject({ sequence: 1, reason: 'truncated' })
  })
})
