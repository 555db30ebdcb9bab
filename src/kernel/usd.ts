/** Digits after the decimal point that every amount keeps: a price per million tokens with 12 decimals stays exact per token. */
const SCALE_DIGITS = 18
const SCALE = 10n ** BigInt(SCALE_DIGITS)
const TOKENS_PER_PRICE_UNIT = 1_000_000n
const MAX_PRICE_DECIMALS = SCALE_DIGITS - 6
const DECIMAL_PATTERN = /^(-?)(\d{1,15})(?:\.(\d{1,18}))?$/

/** An exact amount of US dollars. Never a float: a sum of a million costs equals the database's sum to the last digit. */
export class Usd {
  static readonly ZERO = new Usd(0n)

  private constructor(private readonly units: bigint) {}

  /**
   * Reads a plain decimal such as `"0.0012345"`.
   * @throws RangeError when the text is no plain decimal, or is beyond 15 digits before and 18 after the point.
   */
  static parse(text: string): Usd {
    const match = DECIMAL_PATTERN.exec(text)
    if (!match) throw new RangeError(`not a decimal amount of US dollars: ${JSON.stringify(text)}`)
    const [, sign, whole = '0', fraction = ''] = match
    const units = BigInt(whole) * SCALE + BigInt(fraction.padEnd(SCALE_DIGITS, '0'))
    return new Usd(sign === '-' ? -units : units)
  }

  /** Reads a price from a catalogue of numbers, such as 0.075 or 1e-7, rounded to the 12 decimals that a price can have. */
  static fromCatalogue(value: number): Usd {
    return Usd.parse(value.toFixed(MAX_PRICE_DECIMALS))
  }

  plus(other: Usd): Usd {
    return new Usd(this.units + other.units)
  }

  minus(other: Usd): Usd {
    return new Usd(this.units - other.units)
  }

  /** Rounded down to the 18 decimals that are kept. @param parts a positive whole number */
  dividedBy(parts: number): Usd {
    return new Usd(this.units / BigInt(parts))
  }

  isAtLeast(other: Usd): boolean {
    return this.units >= other.units
  }

  /** The cost of `tokens` where this amount is the price of a million. Exact for prices of up to 12 decimals. */
  forTokens(tokens: number): Usd {
    return new Usd((this.units * BigInt(tokens)) / TOKENS_PER_PRICE_UNIT)
  }

  /** How many whole tokens this amount is enough for, at so much a million; as many as can be counted where they are free. */
  tokensAt(perMillion: Usd): number {
    if (perMillion.units <= 0n) return Number.MAX_SAFE_INTEGER
    return Number((this.units * TOKENS_PER_PRICE_UNIT) / perMillion.units)
  }

  /** A decimal string with no exponent and no trailing zeros, as the HTTP contract has it. */
  toString(): string {
    const negative = this.units < 0n
    const digits = (negative ? -this.units : this.units).toString().padStart(SCALE_DIGITS + 1, '0')
    const fraction = digits.slice(-SCALE_DIGITS).replace(/0+$/, '')
    const text = digits.slice(0, -SCALE_DIGITS) + (fraction && `.${fraction}`)
    return negative ? `-${text}` : text
  }
}
