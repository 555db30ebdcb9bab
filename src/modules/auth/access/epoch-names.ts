/** Names of the epochs (platform/cache/epochs.ts) that a principal depends on: who changes one of these things advances its epoch. */
export const sessionEpoch = (sessionId: string): string => `session:${sessionId}`
export const apiKeyEpoch = (apiKeyId: string): string => `api-key:${apiKeyId}`
/** Role and suspension of one member. */
export const memberEpoch = (tenantId: string, userId: string): string => `member:${tenantId}:${userId}`
/** Everybody in a tenant. */
export const tenantEpoch = (tenantId: string): string => `tenant:${tenantId}`
