import { describe, expect, it } from '@jest/globals'
import { projectSlugSchema, slugFrom, slugVariants } from './project-slug.js'

describe('the slug of a name', () => {
  it.each([
    ['Website', 'website'],
    ['  Apollo: the 2nd – relaunch!  ', 'apollo-the-2nd-relaunch'],
    ['Crème brûlée', 'creme-brulee'],
    ['ＦＵＬＬ　ＷＩＤＴＨ', 'full-width'],
    ['--x--', 'x'],
    ['Проект', 'project'],
    ['🚀', 'project'],
    ['a'.repeat(200), 'a'.repeat(64)],
    [`${'a'.repeat(63)} b`, 'a'.repeat(63)],
  ])('of %j is %j', (name, slug) => {
    expect(slugFrom(name)).toBe(slug)
    expect(projectSlugSchema.safeParse(slug).success).toBe(true)
  })
})

describe('variants of a slug', () => {
  it('are the slug itself, then numbered from 2', () => {
    expect(slugVariants('web', { first: 1, count: 3 })).toEqual(['web', 'web-2', 'web-3'])
    expect(slugVariants('web', { first: 11, count: 2 })).toEqual(['web-11', 'web-12'])
  })

  it('leave out what is reserved', () => {
    expect(slugVariants('count', { first: 1, count: 3 })).toEqual(['count-2', 'count-3'])
  })

  it('are no longer than a slug may be, and end in no second hyphen', () => {
    expect(slugVariants('a'.repeat(64), { first: 10, count: 1 })).toEqual([`${'a'.repeat(61)}-10`])
    expect(slugVariants(`${'a'.repeat(61)}-bc`, { first: 2, count: 1 })).toEqual([`${'a'.repeat(61)}-2`])
  })
})
