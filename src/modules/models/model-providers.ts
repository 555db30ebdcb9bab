import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { LanguageModelV4 } from '@ai-sdk/provider'
import type { Settings } from '#platform/config/settings.js'
import { modelFetch } from './model-fetch.js'
import { nameOutputLimit } from './openai-output-limit.js'
import { readOpenAiUsage } from './openai-usage.js'

const OPENAI_BASE_URL = 'https://api.openai.com/v1'
/** With those of its regions: `eu.api.openai.com`. */
const OPENAI_HOST = /(?:^|\.)api\.openai\.com$/

/** A source of language models, by the word before the slash in a model's name. */
export interface ModelProvider {
  readonly name: string
  /** The model for runs that name none, where this is the first provider configured. */
  readonly defaultModel: string
  create(model: string): LanguageModelV4
}

/** The providers that the settings configure, in the order in which they stand in for a missing DEFAULT_MODEL. */
export function configuredProviders(settings: Settings): ModelProvider[] {
  return [openAi(settings), anthropic(settings), ollama(settings)].filter((provider) => provider !== undefined)
}

function openAi({ OPENAI_API_KEY, OPENAI_BASE_URL: ownURL }: Settings): ModelProvider | undefined {
  if (!OPENAI_API_KEY && !ownURL) return undefined
  const baseURL = ownURL ?? OPENAI_BASE_URL
  const isOpenAiItself = OPENAI_HOST.test(new URL(baseURL).hostname)
  const provider = createOpenAICompatible({
    name: 'openai',
    baseURL,
    ...(OPENAI_API_KEY && { apiKey: OPENAI_API_KEY }),
    includeUsage: true,
    convertUsage: readOpenAiUsage,
    supportsStructuredOutputs: true,
    transformRequestBody: (body) => nameOutputLimit(body, isOpenAiItself),
    fetch: modelFetch,
  })
  return { name: 'openai', defaultModel: 'gpt-5-mini', create: (model) => provider.chatModel(model) }
}

function anthropic({ ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL }: Settings): ModelProvider | undefined {
  if (!ANTHROPIC_API_KEY && !ANTHROPIC_BASE_URL) return undefined
  const provider = createAnthropic({
    // The client insists on a key, which a gateway of one's own may not need.
    apiKey: ANTHROPIC_API_KEY ?? 'none',
    ...(ANTHROPIC_BASE_URL && { baseURL: ANTHROPIC_BASE_URL }),
    fetch: modelFetch,
  })
  return { name: 'anthropic', defaultModel: 'claude-sonnet-4-5', create: (model) => provider.languageModel(model) }
}

/** Ollama speaks OpenAI's protocol under `/v1`. */
function ollama({ OLLAMA_BASE_URL }: Settings): ModelProvider | undefined {
  if (!OLLAMA_BASE_URL) return undefined
  const base = OLLAMA_BASE_URL.replace(/\/+$/, '')
  const provider = createOpenAICompatible({
    name: 'ollama',
    baseURL: base.endsWith('/v1') ? base : `${base}/v1`,
    includeUsage: true,
    convertUsage: readOpenAiUsage,
    supportsStructuredOutputs: true,
    fetch: modelFetch,
  })
  return { name: 'ollama', defaultModel: 'llama3.2', create: (model) => provider.chatModel(model) }
}
