import type { LanguageModelV4 } from '@ai-sdk/provider'
import { Injectable } from '@nestjs/common'
import { LRU } from 'tiny-lru'
import { invalidField } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { ConfigError } from '#platform/config/config-error.js'
import { parseModelName } from './model-name.js'
import { configuredProviders, type ModelProvider } from './model-providers.js'
import { OfflineModel } from './offline/offline.model.js'
import { TokenCounter } from './token-counter.js'

export const OFFLINE_MODEL = 'offline/extractive'
/** Names come from clients: most of them are a handful, and none may fill the memory. */
const MAX_MODELS_IN_PROCESS = 256

/** What an agent says about its models. */
export interface AgentModels {
  readonly model?: string | undefined
  readonly fallbackModels?: readonly string[] | undefined
}

/** The models that runs can name, as `provider/model`. */
@Injectable()
export class ModelRegistry {
  /** The model of a run that names none. */
  readonly defaultModel: string
  /** What stands in for any model, where an agent does not name others. */
  private readonly fallbackModels: readonly string[]
  private readonly providers: ReadonlyMap<string, ModelProvider>
  private readonly offline: OfflineModel
  /** The SDK compiles the schemas of a model's answers with the model, which costs more than the call does otherwise. */
  private readonly models = new LRU<LanguageModelV4>(MAX_MODELS_IN_PROCESS)

  /** @throws ConfigError when DEFAULT_MODEL or FALLBACK_MODELS name a provider that is not configured */
  constructor({ settings }: AppConfig, counter: TokenCounter) {
    const providers = configuredProviders(settings)
    this.providers = new Map(providers.map((provider) => [provider.name, provider]))
    this.offline = new OfflineModel({ countTokens: (text) => counter.count(text) })
    const first = providers[0]
    this.defaultModel = settings.DEFAULT_MODEL ?? (first ? `${first.name}/${first.defaultModel}` : OFFLINE_MODEL)
    this.fallbackModels = settings.FALLBACK_MODELS ?? []
    this.refuseUnserved('DEFAULT_MODEL', [this.defaultModel])
    this.refuseUnserved('FALLBACK_MODELS', this.fallbackModels)
  }

  /**
   * The full name of the model to use for a request that names `requested`, or none.
   * @throws AppError `validation_failed` at /model when nothing here can serve it
   */
  resolveName(requested: string | undefined): string {
    if (requested === undefined) return this.defaultModel
    if (!this.isServed(requested)) throw invalidField('/model', this.unknownModelDetail())
    return requested
  }

  /**
   * The models of a run, in the order in which they are asked: the request's, else the agent's, else the default; then the
   * agent's stand-ins if it names any, else the server's.
   * @throws AppError `validation_failed` at /model when nothing here can serve one of them
   */
  resolveChain(requested: string | undefined, agent: AgentModels = {}): string[] {
    const first = requested ?? agent.model ?? this.defaultModel
    const chain = [...new Set([first, ...(agent.fallbackModels ?? this.fallbackModels)])]
    const unknown = chain.find((name) => !this.isServed(name))
    if (unknown !== undefined) throw invalidField('/model', `${unknown}: ${this.unknownModelDetail()}`)
    return chain
  }

  isServed(name: string): boolean {
    return name === OFFLINE_MODEL || this.providerOf(name) !== null
  }

  /** The model of that name; null when its provider is not configured any more. */
  find(name: string): LanguageModelV4 | null {
    if (name === OFFLINE_MODEL) return this.offline
    const known = this.models.get(name)
    if (known) return known
    const served = this.providerOf(name)
    if (!served) return null
    const model = served.provider.create(served.model)
    this.models.set(name, model)
    return model
  }

  private providerOf(name: string): { provider: ModelProvider; model: string } | null {
    const parsed = parseModelName(name)
    const provider = parsed && this.providers.get(parsed.provider)
    return provider ? { provider, model: parsed.model } : null
  }

  private refuseUnserved(setting: string, names: readonly string[]): void {
    const unknown = names.find((name) => !this.isServed(name))
    if (unknown !== undefined) throw new ConfigError(`${setting}: ${unknown}: ${this.unknownModelDetail()}`)
  }

  private unknownModelDetail(): string {
    const known = [...this.providers.keys()].map((name) => `${name}/<model>`).concat(OFFLINE_MODEL)
    return `Not a model of this server. It serves ${known.join(', ')}.`
  }
}
