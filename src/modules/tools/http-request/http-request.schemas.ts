import { z } from 'zod'
import { MAX_TOOL_NAME_LENGTH, TOOL_NAME_PATTERN } from '../tool.js'
import { parseAllowedHost } from './allowed-hosts.js'
import { HEADER_NAME_PATTERN, HEADER_VALUE_PATTERN, isReservedHeader } from '../request-headers.js'

const MAX_HOSTS = 50
const MAX_HOST_LENGTH = 260
export const MAX_HEADERS = 20
const MAX_HEADER_NAME_LENGTH = 100
const MAX_HEADER_VALUE_LENGTH = 1000
const MAX_TIMEOUT_MS = 60_000
const MAX_RESPONSE_BYTES = 1024 * 1024
/** An agent's definition can be read by every member. */
const SECRET_HEADERS = new Set([
  'authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'x-auth-token',
  'x-amz-security-token',
])

export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type HttpMethod = (typeof HTTP_METHODS)[number]

const host = z
  .string()
  .max(MAX_HOST_LENGTH)
  .refine((entry) => parseAllowedHost(entry) !== null, {
    error: 'must be a host such as api.example.com, *.example.org or 10.0.0.1:8080',
  })

const headerName = z
  .string()
  .max(MAX_HEADER_NAME_LENGTH)
  .regex(HEADER_NAME_PATTERN, { error: 'must be the name of a header' })
  .refine((name) => !isReservedHeader(name), { error: 'must not be set here' })
  .refine((name) => !SECRET_HEADERS.has(name.toLowerCase()), {
    error: 'must not be a secret: every member can read what an agent is made of',
  })

const headers = z
  .record(headerName, z.string().max(MAX_HEADER_VALUE_LENGTH).regex(HEADER_VALUE_PATTERN))
  .refine((given) => Object.keys(given).length <= MAX_HEADERS, { error: `must be at most ${MAX_HEADERS}` })

/** Config of the tool `http_request`. */
export const httpRequestConfigSchema = z.strictObject({
  name: z.string().max(MAX_TOOL_NAME_LENGTH).regex(TOOL_NAME_PATTERN).default('http_request'),
  hosts: z.array(host).min(1).max(MAX_HOSTS),
  methods: z.array(z.enum(HTTP_METHODS)).min(1).max(HTTP_METHODS.length).default(['GET', 'HEAD']),
  headers: headers.default({}),
  timeoutMs: z
    .int()
    .min(1)
    .max(MAX_TIMEOUT_MS)
    .default(MAX_TIMEOUT_MS / 2),
  maxResponseBytes: z.int().min(1).max(MAX_RESPONSE_BYTES).default(MAX_RESPONSE_BYTES),
})
export type HttpRequestConfig = z.infer<typeof httpRequestConfigSchema>
