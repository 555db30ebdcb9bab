import { describe, expect, it } from '@jest/globals'
import { answerText } from './answer-text.js'

function textOf(body: Buffer | string, headers: Record<string, string> = {}, isTruncated = false): string {
  return answerText({ status: 200, headers, body: Buffer.from(body as string), isTruncated })
}

describe('answerText', () => {
  it('shows the status, the headers that matter and the body', () => {
    const headers = { 'content-type': 'application/json', location: '/a', server: 'x', 'set-cookie': 'secret' }
    expect(textOf('{"a":1}', headers)).toBe('HTTP 200\ncontent-type: application/json\nlocation: /a\n\n{"a":1}')
  })

  it('shows an empty answer as its status', () => {
    expect(textOf('')).toBe('HTTP 200')
  })

  it.each([
    ['text/html; charset=iso-8859-1', Buffer.from([0xe4]), 'ä'],
    ['text/plain', Buffer.from('ä'), 'ä'],
    ['text/plain; charset=nonsense', Buffer.from('ä'), 'ä'],
    ['application/problem+json', Buffer.from('{}'), '{}'],
    ['', Buffer.from('plain'), 'plain'],
  ])('reads a body of type %j', (type, body, text) => {
    expect(textOf(body, type === '' ? {} : { 'content-type': type })).toMatch(new RegExp(`\n\n${text}$`))
  })

  it.each([
    ['image/png', Buffer.from('abc'), '[3 bytes of image/png, which are no text]'],
    ['', Buffer.from([0xff, 0xfe]), '[2 bytes of an unknown type, which are no text]'],
    ['', Buffer.from('a\0'), '[2 bytes of an unknown type, which are no text]'],
  ])('names a body of type %j instead of showing it', (type, body, note) => {
    expect(textOf(body, type === '' ? {} : { 'content-type': type })).toContain(note)
  })

  it('says when it was cut', () => {
    expect(textOf('abc', { 'content-type': 'text/plain' }, true)).toMatch(/abc\n\[cut: the first 3 bytes\]$/)
  })
})
