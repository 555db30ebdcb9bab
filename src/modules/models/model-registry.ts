import type { LanguageModelV4 } from '@ai-sdk/provider'
import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { ConfigError } from '#platform/config/config-error.js'
import { parseModelName } from './model-name.js'
import { configuredProviders, type ModelProvider } from './model-providers.js'
import { OfflineModel } from './offline/offline.model.js'
import { TokenCounter } from './token-counter.js'

export const OFFLINE_MODEL = 'offline/extractive'

/** The models that runs can name, as `provider/model`. */
@Injectable()
export class ModelRegistry {
  /** The model of a run that names none. */
  readonly defaultModel: string
  private readonly providers: ReadonlyMap<string, ModelProvider>
  private readonly offline: OfflineModel

  /** @throws ConfigError when DEFAULT_MODEL names a provider that is not configured */
  constructor({ settings }: AppConfig, counter: TokenCounter) {
    const providers = configuredProviders(settings)
    this.providers = new Map(providers.map((provider) => [provider.name, provider]))
    this.offline = new OfflineModel({ countTokens: (text) => counter.count(text) })
    const first = providers[0]
    this.defaultModel = settings.DEFAULT_MODEL ?? (first ? `${first.name}/${first.defaultModel}` : OFFLINE_MODEL)
    if (this.find(this.defaultModel) === null) {
      throw new ConfigError(`DEFAULT_MODEL: ${this.defaultModel}: ${this.unknownModelDetail()}`)
    }
  }

  /**
   * The full name of the model to use for a request that names `requested`, or none.
   * @throws AppError `validation_failed` at /model when nothing here can serve it
   */
  resolveName(requested: string | undefined): string {
    if (requested === undefined) return this.defaultModel
    if (this.find(requested) === null) throw invalidField('/model', this.unknownModelDetail())
    return requested
  }

  /** The model of that name; null when its provider is not configured any more. */
  find(name: string): LanguageModelV4 | null {
    if (name === OFFLINE_MODEL) return this.offline
    const parsed = parseModelName(name)
    return (parsed && this.providers.get(parsed.provider)?.create(parsed.model)) ?? null
  }

  private unknownModelDetail(): string {
    const known = [...this.providers.keys()].map((name) => `${name}/<model>`).concat(OFFLINE_MODEL)
    return `Not a model of this server. It serves ${known.join(', ')}.`
  }
}
