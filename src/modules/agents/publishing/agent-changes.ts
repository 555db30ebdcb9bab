import { isDeepStrictEqual } from 'node:util'
import type { AgentContent } from '../agent-definition.js'

/** What an optional field is when nobody said anything; the others are then absent. */
const DEFAULTS = {
  description: '',
  capabilities: [],
  tools: [],
  delegates: [],
  requireApproval: false,
} satisfies Partial<AgentContent>

/** Fields of an agent as a client sends them: an absent one keeps what is, null clears. */
export type AgentChanges = { readonly [Name in keyof AgentContent]?: AgentContent[Name] | null | undefined }

/** A new agent's content. */
export function newContent(
  fields: AgentChanges & { readonly name: string; readonly instructions: string },
): AgentContent {
  return applyChanges({ ...DEFAULTS, name: fields.name, instructions: fields.instructions }, fields)
}

/** The content after the changes; the one before is left as it was. */
export function applyChanges(content: AgentContent, changes: AgentChanges): AgentContent {
  const fields = Object.entries({ ...content, ...withoutAbsent(changes) })
  const cleared: Readonly<Record<string, unknown>> = DEFAULTS
  const settled = fields.map(([name, value]): [string, unknown] => [name, value === null ? cleared[name] : value])
  return withoutAbsent(Object.fromEntries(settled)) as AgentContent
}

/** Names of the fields that differ, in alphabetical order. */
export function changedFields(before: AgentContent, after: AgentContent): string[] {
  const [was, is]: Readonly<Record<string, unknown>>[] = [before, after]
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter((name) => !isDeepStrictEqual(was?.[name], is?.[name])).sort()
}

function withoutAbsent(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
