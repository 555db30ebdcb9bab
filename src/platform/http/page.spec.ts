import { describe, expect, it } from '@jest/globals'
import { AppError } from '#kernel/app-error.js'
import { isUuid, newId } from '#kernel/ids.js'
import { decodeCursor, nextLink, toPage } from './page.js'

describe('toPage', () => {
  it('gives a cursor that leads to the last row it shows, only when there are more rows', () => {
    const rows = [{ id: newId() }, { id: newId() }, { id: newId() }]
    const page = toPage(rows, 2, (row) => row.id)
    expect(page.data).toEqual(rows.slice(0, 2))
    expect(decodeCursor(page.nextCursor ?? '', isUuid)).toBe(rows[1]?.id)
    expect(toPage(rows, 3, (row) => row.id).nextCursor).toBeNull()
  })
})

describe('decodeCursor', () => {
  it.each(['', 'x', '%%%', "' OR 1=1 --", Buffer.from('short').toString('base64url'), `${'A'.repeat(22)}=`])(
    'refuses %j',
    (cursor) => {
      expect(() => decodeCursor(cursor, isUuid)).toThrow(AppError)
    },
  )
})

describe('nextLink', () => {
  it('keeps the other parameters and escapes the cursor', () => {
    expect(nextLink('/v1/runs?limit=2&cursor=old', 'n&w')).toBe('</v1/runs?limit=2&cursor=n%26w>; rel="next"')
  })
})
