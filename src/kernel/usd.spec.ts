import { describe, expect, it } from '@jest/globals'
import { Usd } from './usd.js'

describe('Usd', () => {
  it.each([
    ['0', '0'],
    ['0.00', '0'],
    ['0.0012345', '0.0012345'],
    ['1.500', '1.5'],
    ['-0.25', '-0.25'],
    ['123456789012345.000000000000000001', '123456789012345.000000000000000001'],
  ])('prints %s as %s: no exponent, no trailing zeros', (input, output) => {
    expect(Usd.parse(input).toString()).toBe(output)
  })

  it.each(['', '1e3', '1,5', '.5', '5.', ' 1', 'NaN', '0.0000000000000000001', '1234567890123456'])(
    'refuses %j',
    (input) => {
      expect(() => Usd.parse(input)).toThrow(RangeError)
    },
  )

  it('adds what floats cannot', () => {
    expect(Usd.parse('0.1').plus(Usd.parse('0.2')).toString()).toBe('0.3')
  })

  it.each([
    ['0.3', '0.3', true],
    ['0.300000000000000001', '0.3', true],
    ['0.299999999999999999', '0.3', false],
    ['10', '9', true],
    ['-1', '0', false],
  ])('knows whether %s is at least %s', (one, other, expected) => {
    expect(Usd.parse(one).isAtLeast(Usd.parse(other))).toBe(expected)
  })

  it('prices tokens exactly, down to one token of the cheapest model', () => {
    expect(Usd.parse('0.075').forTokens(1).toString()).toBe('0.000000075')
    expect(Usd.parse('0.000000000001').forTokens(1).toString()).toBe('0.000000000000000001')
    expect(Usd.parse('15').forTokens(123_457).toString()).toBe('1.851855')
  })

  it('takes away, below nothing too', () => {
    expect(Usd.parse('0.3').minus(Usd.parse('0.1')).toString()).toBe('0.2')
    expect(Usd.parse('0.1').minus(Usd.parse('0.3')).toString()).toBe('-0.2')
  })

  it('is shared out in parts that come to no more than the whole', () => {
    const part = Usd.parse('0.1').dividedBy(3)
    expect(part.toString()).toBe('0.033333333333333333')
    expect(Usd.parse('0.1').isAtLeast(part.plus(part).plus(part))).toBe(true)
  })

  it.each([
    ['0.6', '0.6', 1_000_000],
    ['0.0000006', '0.6', 1],
    ['0.0000005', '0.6', 0],
    ['0.0000017', '0.6', 2],
    ['0', '0.6', 0],
    ['1', '0', Number.MAX_SAFE_INTEGER],
  ])('%s is enough for whole tokens at %s a million, which cost no more than it', (amount, perMillion, tokens) => {
    expect(Usd.parse(amount).tokensAt(Usd.parse(perMillion))).toBe(tokens)
  })

  it('reads catalogue numbers by their decimal form', () => {
    expect(Usd.fromCatalogue(0.1).toString()).toBe('0.1')
    expect(Usd.fromCatalogue(1e-7).toString()).toBe('0.0000001')
  })
})
