import { AppError } from '#kernel/app-error.js'
import { toolUnavailable } from '../tools.errors.js'

const MAX_WORDS = 500

/**
 * What to tell of a failure between an MCP server and us. Of an HTTP error only the status is told, and the library's errors are
 * no cause: they quote the answer, which may quote our headers, and causes are logged.
 */
export function wordFailure(
  error: unknown,
  { server, redact }: { readonly server: string; readonly redact: (text: string) => string },
): AppError {
  if (error instanceof AppError && error.code === 'tool_unavailable') return error
  if (error instanceof AppError) {
    return toolUnavailable(`The MCP server ${server} could not be asked: ${error.detail ?? error.code}`, error)
  }
  const { name, code, message } = error as { name?: unknown; code?: unknown; message?: unknown }
  if (name === 'McpError')
    return toolUnavailable(`The MCP server ${server} refused: ${redact(String(message)).slice(0, MAX_WORDS)}`)
  if (typeof code === 'number' && code > 0)
    return toolUnavailable(`The MCP server ${server} answered with HTTP status ${code}.`)
  return toolUnavailable(`The MCP server ${server} gave an answer that is no MCP, broke off or was too large.`)
}
