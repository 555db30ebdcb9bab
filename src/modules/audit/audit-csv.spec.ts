import { describe, expect, it } from '@jest/globals'
import { AUDIT_CSV_HEADER, toCsvLine } from './audit-csv.js'
import type { AuditEntry } from './audit-log.schemas.js'

const ENTRY: AuditEntry = {
  id: '0199f0f0-0000-7000-8000-00000000000a',
  sequence: 7,
  occurredAt: '2026-01-02T03:04:05.678Z',
  actor: { type: 'system', id: null },
  action: 'role_changed',
  resource: { type: 'member', id: 'm1' },
  before: null,
  after: { note: 'a "b", c\nd' },
  address: null,
  requestId: 'r1',
  hash: 'ab',
}

describe('a line of the CSV export', () => {
  it('has every field in a cell, quoted as RFC 4180 has it', () => {
    expect(AUDIT_CSV_HEADER).toBe(
      '"sequence","id","occurredAt","actorType","actorId","action","resourceType","resourceId","before","after","address","requestId","hash"\r\n',
    )
    expect(toCsvLine(ENTRY)).toBe(
      '"7","0199f0f0-0000-7000-8000-00000000000a","2026-01-02T03:04:05.678Z","system","","role_changed","member","m1","",' +
        '"{""note"":""a \\""b\\"", c\\nd""}","","r1","ab"\r\n',
    )
  })

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', ' =1', '＝1', '|calc'])(
    'disarms the formula %j',
    (text) => {
      expect(toCsvLine({ ...ENTRY, requestId: text })).toContain(`"'${text}"`)
    },
  )

  it('leaves other texts as they are', () => {
    expect(toCsvLine({ ...ENTRY, requestId: 'a=b-c' })).toContain('"a=b-c"')
  })
})
