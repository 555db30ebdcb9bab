import type { ToolResult } from '../tool.js'

/** What a model, and the run's journal, get of one result: some 25 000 tokens. */
export const MAX_TOOL_RESULT_CHARACTERS = 100_000
const REPLACEMENT = '\uFFFD'

/** A result that PostgreSQL can hold and a model can read: no null characters or halves of pairs, cut where it is too long. */
export function boundedResult({ text, isError }: ToolResult): ToolResult {
  return { text: boundedText(text, MAX_TOOL_RESULT_CHARACTERS), isError }
}

/** The same for a text of its own limit. */
export function boundedText(text: string, maxCharacters: number): string {
  const storable = text.slice(0, maxCharacters).replaceAll('\0', REPLACEMENT).toWellFormed()
  return text.length <= maxCharacters
    ? storable
    : `${storable}\n[cut: the first ${maxCharacters} of ${text.length} characters]`
}
