import { describe, expect, it } from '@jest/globals'
import { leadingClass, queryClassOf } from './query-class.js'

describe('the class of a statement', () => {
  it.each([
    ['select', 'SELECT 1'],
    ['select', '\n  -- why\n  (select a FROM b FOR UPDATE)'],
    ['insert', 'INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET b = excluded.b'],
    ['update', 'update a SET b = $1'],
    ['delete', 'DELETE FROM a'],
    ['other', 'COMMIT'],
    ['other', ''],
    ['select', 'WITH due AS (SELECT id FROM a FOR UPDATE SKIP LOCKED) SELECT id FROM due'],
    ['update', 'WITH due AS (SELECT id FROM a FOR UPDATE) UPDATE a SET b = 1 FROM due WHERE a.id = due.id'],
    ['update', 'WITH claimed AS (UPDATE "a" AS x SET b = 1 RETURNING id) SELECT id FROM claimed'],
    ['insert', 'WITH gone AS (SELECT 1) INSERT INTO a SELECT 1 ON CONFLICT (b) DO UPDATE SET b = 1'],
    ['delete', 'WITH gone AS (DELETE FROM a RETURNING id) SELECT count(*) FROM gone'],
  ])('is %s: %s', (expected, text) => {
    expect(queryClassOf(text)).toBe(expected)
  })

  it('is, of statements with one answer, that of the first that writes', () => {
    expect(leadingClass(['select', 'other', 'update', 'insert'])).toBe('update')
    expect(leadingClass(['select', 'other'])).toBe('select')
    expect(leadingClass([])).toBe('other')
  })
})
