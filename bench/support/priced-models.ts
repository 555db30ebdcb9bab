const UNITS_PER_USD_DIGITS = 9

type Tokens = Readonly<Record<'input' | 'cached' | 'output', number>>

/** US dollars for a thousand million tokens, so that whole numbers stay exact; null: nobody has said what it costs. */
export const MODELS = [
  { name: 'openai/gpt-5-mini', prices: { input: 250, cached: 25, output: 2000 } },
  { name: 'openai/gpt-5', prices: { input: 1250, cached: 125, output: 10_000 } },
  { name: 'anthropic/claude-sonnet-4-5', prices: { input: 3000, cached: 300, output: 15_000 } },
  { name: 'ollama/llama3.2', prices: null },
]

/** Exact, as a decimal string. */
export function costOf(usage: Tokens, prices: Tokens): string {
  const units =
    (usage.input - usage.cached) * prices.input + usage.cached * prices.cached + usage.output * prices.output
  const digits = String(units).padStart(UNITS_PER_USD_DIGITS + 1, '0')
  return `${digits.slice(0, -UNITS_PER_USD_DIGITS)}.${digits.slice(-UNITS_PER_USD_DIGITS)}`
}
