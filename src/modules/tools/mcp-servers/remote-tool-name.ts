import { createHash } from 'node:crypto'
import { MAX_TOOL_NAME_LENGTH } from '../tool.js'

const HASH_LENGTH = 8

/**
 * A remote tool's name for models. No server's name has a `_` in it, so that two servers never meet; a name that is too long ends in
 * a piece of its hash, so that two that begin alike stay two.
 */
export function remoteToolName(server: string, tool: string): string {
  const name = `${server}_${tool.replaceAll(/[^a-zA-Z0-9_-]/g, '_')}`
  if (name.length <= MAX_TOOL_NAME_LENGTH) return name
  const hash = createHash('sha256').update(tool).digest('hex').slice(0, HASH_LENGTH)
  return `${name.slice(0, MAX_TOOL_NAME_LENGTH - HASH_LENGTH - 1)}_${hash}`
}
