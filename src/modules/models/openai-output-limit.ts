/** OpenAI's models that reason: they refuse `max_tokens`. The name may come with a gateway's own prefix. */
const REASONING_MODEL = /(?:^|\/)(?:gpt-[5-9]|o\d)(?:[-.:]|$)/

/**
 * Names the limit of a request's output as who serves it has it: `max_completion_tokens` where that is OpenAI, which has given
 * up `max_tokens`, or a model of its that refuses the old name wherever it runs. Other servers may know the old one only.
 */
export function nameOutputLimit(body: Record<string, unknown>, isOpenAiItself: boolean): Record<string, unknown> {
  const { max_tokens: limit, ...rest } = body
  if (limit === undefined || !(isOpenAiItself || REASONING_MODEL.test(String(body['model'])))) return body
  return { ...rest, max_completion_tokens: limit }
}
