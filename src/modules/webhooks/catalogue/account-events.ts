import { z } from 'zod'
import { ApiKeyCreated, ApiKeyDeleted, MemberJoined, MemberRemoved, MemberRoleChanged } from '#modules/auth'
import { ROLES } from '#platform/http/principal.js'
import { type PublicEvent, publicEvent } from './public-event.js'

const keySchema = z.strictObject({
  apiKeyId: z.uuid(),
  userId: z.uuid().meta({ description: 'who made it' }),
  name: z.string(),
  scopes: z.array(z.string()),
  expiresAt: z.iso.datetime().nullable(),
})
const memberSchema = z.strictObject({ userId: z.uuid(), role: z.enum(ROLES) })
const roleChangeSchema = z.strictObject({ userId: z.uuid(), role: z.enum(ROLES), previousRole: z.enum(ROLES) })

const userId = '0199f1d0-02b4-7e55-a1c9-9d3e6b8f7a10'
const keyExample = {
  apiKeyId: '0199f1d2-41c3-7a90-b7de-2f1e0c9d8b76',
  userId,
  name: 'CI',
  scopes: ['runs:write'],
  expiresAt: null,
}

export const ACCOUNT_EVENTS: readonly PublicEvent[] = [
  publicEvent({
    type: 'apiKey.created',
    description: 'Somebody has made an API key.',
    schema: keySchema,
    example: keyExample,
    eventClass: ApiKeyCreated,
    select: factsOfKey,
  }),
  publicEvent({
    type: 'apiKey.deleted',
    description: 'An API key is void.',
    schema: keySchema,
    example: keyExample,
    eventClass: ApiKeyDeleted,
    select: factsOfKey,
  }),
  publicEvent({
    type: 'member.joined',
    description: 'Somebody has accepted an invitation.',
    schema: memberSchema,
    example: { userId, role: 'member' },
    eventClass: MemberJoined,
    select: (event: MemberJoined) => ({ userId: event.userId, role: event.role }),
  }),
  publicEvent({
    type: 'member.roleChanged',
    description: 'A member has another role.',
    schema: roleChangeSchema,
    example: { userId, role: 'admin', previousRole: 'member' },
    eventClass: MemberRoleChanged,
    select: (event: MemberRoleChanged) => ({
      userId: event.userId,
      role: event.roles.after,
      previousRole: event.roles.before,
    }),
  }),
  publicEvent({
    type: 'member.removed',
    description: 'A member has left, or was removed.',
    schema: memberSchema,
    example: { userId, role: 'member' },
    eventClass: MemberRemoved,
    select: (event: MemberRemoved) => ({ userId: event.userId, role: event.role }),
  }),
]

function factsOfKey({ key }: ApiKeyCreated | ApiKeyDeleted) {
  const { id, userId: maker, name, scopes, expiresAt } = key
  return { apiKeyId: id, userId: maker, name, scopes: [...scopes], expiresAt }
}
