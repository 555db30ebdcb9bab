import type { FastifyReply, FastifyRequest } from 'fastify'

const FIRST_ERROR = 400
const CREATED = 201
const AUTH_PATH = '/v1/auth/'
const NO_STORE = 'no-store'
const TENANT_DATA = 'private, no-cache'
const PUBLIC_DATA = 'no-cache'
/**
 * X-API-Key and Cookie select an answer, too, and are left out: with `private, no-cache` each reuse is checked here, with
 * the credentials of the request, against a tag made of the bytes.
 */
const VARY_TENANT_DATA = 'Authorization, Accept-Encoding'
const VARY_PUBLIC_DATA = 'Accept-Encoding'

export function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Whether it can differ from caller to caller. What is served beside the API's routes declares no access and is public. */
export function isTenantData(request: FastifyRequest): boolean {
  const { access = 'public' } = request.routeOptions.config
  return access !== 'public'
}

/**
 * Says who may keep the answer, unless its handler has.
 * @returns whether it may be kept at all, and whether it may hold a secret, such as a token or a key that is shown once
 */
export function setCachePolicy(
  request: FastifyRequest,
  reply: FastifyReply,
  isPrivate: boolean,
): { isStorable: boolean; isSecret: boolean } {
  const vary = reply.getHeader('vary')
  const ours = isPrivate ? VARY_TENANT_DATA : VARY_PUBLIC_DATA
  void reply.header('vary', vary === undefined ? ours : `${String(vary)}, ${ours}`)
  const said = reply.getHeader('cache-control')
  if (said !== undefined) {
    const isStorable = !String(said).includes(NO_STORE)
    return { isStorable, isSecret: !isStorable || isSecretByPlace(request, reply) }
  }
  const isStorable = isRead(request) && reply.statusCode < FIRST_ERROR
  void reply.header('cache-control', isStorable ? (isPrivate ? TENANT_DATA : PUBLIC_DATA) : NO_STORE)
  return { isStorable, isSecret: isSecretByPlace(request, reply) }
}

/**
 * What makes something may show its secret, now and never again. By the status, so that no new route can forget to say
 * so; and by the route, which stays the same however its address is spelled.
 */
function isSecretByPlace(request: FastifyRequest, reply: FastifyReply): boolean {
  return reply.statusCode === CREATED || (!isRead(request) && request.routeOptions.url?.startsWith(AUTH_PATH) === true)
}
