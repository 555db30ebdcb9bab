import { describe, expect, it } from '@jest/globals'
import { AppError } from '#kernel/app-error.js'
import { type Role, ROLES } from '#platform/http/principal.js'
import { assertUnchanged, assertWithin, losesOwner, rolesWithin, type Standing } from './membership-rules.js'

const standing = (role: Role, isSuspended = false): Standing => ({ role, disabledAt: isSuspended ? new Date() : null })

describe('membership rules', () => {
  it.each<[Role, readonly Role[]]>([
    ['owner', ['owner', 'admin', 'member', 'viewer']],
    ['admin', ['admin', 'member', 'viewer']],
    ['member', ['member', 'viewer']],
    ['viewer', ['viewer']],
  ])('let %s give no role above his own', (actor, roles) => {
    expect(rolesWithin(actor)).toEqual(roles)
    for (const role of ROLES.filter((role) => !roles.includes(role))) {
      expect(() => assertWithin(actor, role)).toThrow(AppError)
    }
  })

  it.each<[string, Standing | null]>([
    ['is gone', null],
    ['has another role', standing('member')],
    ['is suspended', standing('admin', true)],
  ])('refuse an actor who %s by the time that his change is made', (_, actor) => {
    expect(() => assertUnchanged('admin', actor)).toThrow(expect.objectContaining({ kind: 'forbidden' }))
  })

  it('let an actor through who is what the guard took him for', () => {
    expect(() => assertUnchanged('admin', standing('admin'))).not.toThrow()
  })

  it.each<[string, boolean, Standing, Standing | null]>([
    ['an owner leaves', true, standing('owner'), null],
    ['an owner is demoted', true, standing('owner'), standing('admin')],
    ['an owner is suspended', true, standing('owner'), standing('owner', true)],
    ['an owner stays one', false, standing('owner'), standing('owner')],
    ['a suspended owner is removed', false, standing('owner', true), null],
    ['an admin leaves', false, standing('admin'), null],
  ])('know whether %s costs the tenant an owner: %s', (_, expected, before, after) => {
    expect(losesOwner(before, after)).toBe(expected)
  })
})
