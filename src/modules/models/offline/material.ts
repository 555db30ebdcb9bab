import { z } from 'zod'

const passageSchema = z.object({
  documentId: z.string(),
  chunkId: z.string(),
  title: z.string(),
  text: z.string(),
  /** Where `text` begins in its document, in UTF-16 code units. */
  start: z.number().int().nonnegative(),
})

/** What the offline model answers from: `providerOptions.temponest` of the last user message. */
export const materialSchema = z.object({
  task: z.string(),
  context: z.string().optional(),
  passages: z.array(passageSchema).optional(),
})

export type Material = z.infer<typeof materialSchema>
