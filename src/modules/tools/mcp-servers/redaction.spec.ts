import { describe, expect, it } from '@jest/globals'
import { redactorOf } from './redaction.js'

describe('redactorOf', () => {
  const redact = redactorOf({ Authorization: 'Bearer s3cr3t-token', 'x-key': 'abcdef', 'x-version': '2' })

  it.each([
    ['you sent Bearer s3cr3t-token!', 'you sent [redacted]!'],
    ['token=s3cr3t-token&abcdef', 'token=[redacted]&[redacted]'],
    ['version 2', 'version 2'],
  ])('makes %j into %j', (text, redacted) => {
    expect(redact(text)).toBe(redacted)
  })
})
