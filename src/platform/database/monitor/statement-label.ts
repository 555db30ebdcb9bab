import { createHash } from 'node:crypto'
import type { StatementConfig } from '../statement.js'

const FINGERPRINT_LENGTH = 12
const MAX_TEXT_LENGTH = 200

/** A statement for a log, without its parameters: its name; without one a hash of its text, and how that begins. */
export function statementLabel({ name, text }: StatementConfig): string {
  if (name !== undefined) return name
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, FINGERPRINT_LENGTH)
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return `${fingerprint} ${line.length > MAX_TEXT_LENGTH ? `${line.slice(0, MAX_TEXT_LENGTH)}…` : line}`
}
