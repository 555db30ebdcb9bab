import { describe, expect, it } from '@jest/globals'
import { MAX_URL_CHARACTERS, OutboundPolicy } from './outbound-policy.js'

const PORTS = [80, 443, 8080, 8443]
const closed = new OutboundPolicy({ allowedCidrs: [], allowedPorts: PORTS })
const open = new OutboundPolicy({ allowedCidrs: ['10.0.0.0/8'], allowedPorts: PORTS })

describe('OutboundPolicy', () => {
  it.each([
    ['https://example.com/hooks?x=1', 'https://example.com/hooks?x=1'],
    ['HTTP://EXAMPLE.com:80', 'http://example.com/'],
    ['https://1.1.1.1:8443/', 'https://1.1.1.1:8443/'],
    ['https://[2606:4700::1111]/', 'https://[2606:4700::1111]/'],
    ['http://0x1010101/', 'http://1.1.1.1/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
  ])('takes %s as %s', (given, url) => {
    expect(closed.checkUrl(given).href).toBe(url)
  })

  it.each([22, 25, 81, 1024, 2375, 3306, 5432, 6379, 9200, 10_250, 11_211, 27_017, 65_535])(
    'refuses port %i of a public address and of a name',
    (port) => {
      expect(() => closed.checkUrl(`http://1.1.1.1:${port}`)).toThrow(`outbound_refused: Port ${port} may`)
      expect(() => closed.checkUrl(`http://example.com:${port}`)).toThrow(`outbound_refused: Port ${port} may`)
      expect(open.allows('1.1.1.1', port)).toBe(false)
    },
  )

  it.each([80, 443, 1024, 5432, 8080, 65_535])('leaves port %i of a range that the operator has opened', (port) => {
    expect(open.allows('10.1.2.3', port)).toBe(true)
    expect(open.checkUrl(`http://10.1.2.3:${port}`).hostname).toBe('10.1.2.3')
    expect(closed.allows('10.1.2.3', port)).toBe(false)
  })

  it.each([0, 22, 25, 1023])('refuses port %i in such a range, too', (port) => {
    expect(open.allows('10.1.2.3', port)).toBe(false)
    expect(() => open.checkUrl(`http://10.1.2.3:${port}`)).toThrow('outbound_refused')
  })

  it('leaves a port of a name to its address as soon as a range is open', () => {
    expect(open.checkUrl('http://tools.internal:5000').port).toBe('5000')
    expect(() => open.checkUrl('http://tools.internal:23')).toThrow('outbound_refused: Port 23')
  })

  it('takes a port below 1024 that the operator has named, in a range, too', () => {
    const policy = new OutboundPolicy({ allowedCidrs: ['10.0.0.0/8'], allowedPorts: [81] })
    expect(policy.allows('10.1.2.3', 81)).toBe(true)
    expect(policy.allows('1.1.1.1', 81)).toBe(true)
    expect(policy.allows('1.1.1.1', 80)).toBe(false)
  })

  it('refuses a URL that is longer than its limit', () => {
    const start = 'https://example.com/'
    const longest = start + 'a'.repeat(MAX_URL_CHARACTERS - start.length)
    expect(closed.checkUrl(longest).href).toBe(longest)
    expect(() => closed.checkUrl(`${longest}a`)).toThrow('outbound_refused: The URL has more than 8000 characters.')
  })
})
