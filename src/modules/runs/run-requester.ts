import type { Principal } from '#platform/http/principal.js'

/** In whose name a run is, and on whose budget. */
export type RunRequester = Pick<Principal, 'tenantId' | 'userId' | 'apiKeyId'>
