import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { HEADER_NAME_PATTERN, HEADER_VALUE_PATTERN, isReservedHeader } from '../request-headers.js'

const MAX_NAME_LENGTH = 40
const MAX_URL_LENGTH = 2000
const MAX_HEADERS = 20
const MAX_HEADER_NAME_LENGTH = 100
const MAX_HEADER_VALUE_LENGTH = 4000
/** Of all names and values: half of what the outbound client sends, which the protocol's own are part of. */
const MAX_HEADERS_BYTES = 8 * 1024
/** What the protocol itself sets (MCP 2025-11-25, streamable HTTP). */
const PROTOCOL_HEADERS = new Set(['accept', 'content-type', 'last-event-id', 'mcp-session-id', 'mcp-protocol-version'])
const timestamp = z.iso.datetime({ precision: 3 })

export const mcpServerNameSchema = z
  .string()
  .max(MAX_NAME_LENGTH)
  .regex(/^[a-z0-9-]+$/, { error: 'must be of a-z, 0-9 and -' })

const url = z
  .string()
  .max(MAX_URL_LENGTH)
  .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })
  .describe(
    'Where the server takes streamable HTTP. Shown to all who may read servers: a secret belongs into a header.',
  )

const headerName = z
  .string()
  .max(MAX_HEADER_NAME_LENGTH)
  .regex(HEADER_NAME_PATTERN, { error: 'must be the name of a header' })
  .refine((name) => !isReservedHeader(name) && !PROTOCOL_HEADERS.has(name.toLowerCase()), {
    error: 'must not be set here',
  })

const headers = z
  .record(
    headerName,
    z.string().max(MAX_HEADER_VALUE_LENGTH).regex(HEADER_VALUE_PATTERN, { error: 'must be the value of a header' }),
  )
  .refine((given) => Object.keys(given).length <= MAX_HEADERS, { error: `must be at most ${MAX_HEADERS}` })
  .refine((given) => Object.entries(given).flat().join('').length <= MAX_HEADERS_BYTES, {
    error: `must have at most ${MAX_HEADERS_BYTES} bytes in all`,
  })
  .refine((given) => new Set(Object.keys(given).map((name) => name.toLowerCase())).size === Object.keys(given).length, {
    error: 'must not name a header twice',
  })
  .describe('Sent with every request to the server, `Authorization` for one. Kept encrypted, and shown to nobody.')

export const createMcpServerSchema = z
  .strictObject({ name: mcpServerNameSchema.describe('Agents name it by this.'), url, headers: headers.optional() })
  .meta({ id: 'CreateMcpServer' })
export type CreateMcpServerCommand = z.infer<typeof createMcpServerSchema>

export const changeMcpServerSchema = z
  .strictObject({
    url: url.optional(),
    headers: headers.nullish().describe('All of them anew; null: none. Needed with a new `url` if there are any.'),
  })
  .meta({ id: 'ChangeMcpServer' })
export type ChangeMcpServerCommand = z.infer<typeof changeMcpServerSchema>

export const mcpServerSchema = z
  .strictObject({
    id: z.uuid(),
    name: z.string(),
    url: z.string(),
    headerNames: z
      .array(z.string())
      .nullable()
      .describe(
        'Null: they cannot be read any more, since the key that they were encrypted with is gone. Send them again.',
      ),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'McpServer' })
export type McpServer = z.infer<typeof mcpServerSchema>

export const mcpServerListQuerySchema = z.strictObject(pageQueryShape)
export type McpServerListQuery = z.infer<typeof mcpServerListQuerySchema>
export const mcpServerPageSchema = pageSchema(mcpServerSchema).meta({ id: 'McpServerPage' })

export const mcpServerTestSchema = z
  .strictObject({
    ok: z.literal(true),
    tools: z.array(
      z.strictObject({
        name: z.string(),
        description: z.string(),
        isIdempotent: z.boolean().describe('Whether the server says that a call may be repeated.'),
        isDestructive: z
          .boolean()
          .describe('The server says so: a person is asked before a call unless the agent says otherwise.'),
        areArgumentsChecked: z
          .boolean()
          .describe('false: the schema is beyond what is checked here, so that arguments go to the server unchecked.'),
      }),
    ),
  })
  .meta({ id: 'McpServerTest' })
export type McpServerTest = z.infer<typeof mcpServerTestSchema>

/** Where a server is shown. */
export function addressOf({ id }: { readonly id: string }): string {
  return `/v1/mcp-servers/${id}`
}
