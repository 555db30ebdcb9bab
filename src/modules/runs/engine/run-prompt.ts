const MAX_MISMATCH_LENGTH = 1000
/** By the agent's own object, which lives as long as the agent's version is known here. */
const describedSchemas = new WeakMap<object, string>()

/** What the model is told: the agent's standing instructions, and the task with what belongs to it. */
export interface RunPrompt {
  readonly instructions: string
  readonly prompt: string
}

export interface PromptParts {
  readonly instructions: string
  readonly task: string
  readonly context: string | null
  /** The agent's own output schema: wished for at the end of a free text. Absent: nothing but text. */
  readonly defaultOutputSchema?: Record<string, unknown> | undefined
  /** The caller's schema: the whole answer must be that. */
  readonly requiredOutputSchema?: Record<string, unknown> | undefined
}

/** Puts a run's prompt together. Task alone stays as it came; context is marked, so that it reads as data. */
export function composePrompt(parts: PromptParts): RunPrompt {
  const { task, context } = parts
  return {
    instructions: `${parts.instructions.trimEnd()}\n\n${describeOutput(parts)}`,
    prompt: context ? `${task}\n\n<context>\n${context}\n</context>` : task,
  }
}

/** What the model is told when its answer does not match what the caller required: it has one more try. */
export function composeRepair(mismatch: string): string {
  return (
    `Your answer does not match the JSON Schema that it must match: ${mismatch.slice(0, MAX_MISMATCH_LENGTH)}.\n` +
    'Answer again: with one JSON value that matches it, and nothing else.'
  )
}

function describeOutput({ defaultOutputSchema, requiredOutputSchema }: PromptParts): string {
  if (requiredOutputSchema) {
    return `# Form of the answer\nAnswer with one JSON value and nothing else. It must match this JSON Schema:\n${JSON.stringify(requiredOutputSchema)}`
  }
  if (!defaultOutputSchema) return '# Form of the answer\nAnswer in Markdown.'
  let described = describedSchemas.get(defaultOutputSchema)
  if (described === undefined) {
    described =
      '# Form of the answer\nAnswer in Markdown. End with one fenced ```json block that holds the structured result and ' +
      `matches this JSON Schema:\n${JSON.stringify(defaultOutputSchema)}`
    describedSchemas.set(defaultOutputSchema, described)
  }
  return described
}
