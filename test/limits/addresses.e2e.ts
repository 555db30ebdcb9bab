import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { rawHttp } from '../support/raw-http.js'
import { TestApp } from '../support/test-app.js'

const QUOTA = 1000

interface Counted {
  readonly app: TestApp
  readonly url: URL
}

async function start(env: Record<string, string>): Promise<Counted> {
  const app = await TestApp.start({ env: { ...env, RATE_LIMIT_ANONYMOUS_PER_MINUTE: String(QUOTA) } })
  return { app, url: new URL(await app.listen()) }
}

/** How many requests were counted so far for the client that these header lines make of us, by a real connection. */
async function hitsAs({ url }: Counted, ...lines: readonly string[]): Promise<number> {
  const { headers } = await rawHttp(
    url,
    ['GET /v1/agents HTTP/1.1', 'Host: x', ...lines].map((line) => `${line}\r\n`).join('') + '\r\n',
  )
  return QUOTA - Number(headers['x-ratelimit-remaining'])
}

describe('without TRUSTED_PROXIES', () => {
  let server: Counted
  beforeAll(async () => {
    server = await start({})
  })
  afterAll(async () => server.app[Symbol.asyncDispose]())

  it('a client is who it is connected as, whatever it says', async () => {
    const forms: string[][] = [
      [],
      ['X-Forwarded-For: 203.0.113.1'],
      ['X-Forwarded-For: 203.0.113.2, 203.0.113.3'],
      ['X-Forwarded-For: 203.0.113.4', 'X-Forwarded-For: 203.0.113.5'],
      ['X-Forwarded-For: 2001:db8::1'],
      ['X-Forwarded-For: ::ffff:203.0.113.6'],
      ['X-Forwarded-For: 127.0.0.2'],
      ['X-Forwarded-For: garbage'],
      ['X-Forwarded-For:'],
      ['X-Forwarded-For: ,,,'],
      ['Forwarded: for=203.0.113.7;proto=https'],
      ['X-Real-IP: 203.0.113.8'],
      ['CF-Connecting-IP: 203.0.113.9'],
      ['True-Client-IP: 203.0.113.10'],
      ['X-Client-IP: 203.0.113.11'],
    ]
    for (const [index, lines] of forms.entries()) {
      expect([lines, await hitsAs(server, ...lines)]).toEqual([lines, index + 1])
    }
  })
})

describe('behind a proxy of TRUSTED_PROXIES', () => {
  let server: Counted
  beforeAll(async () => {
    server = await start({ TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.0/8, 2001:db8:ffff::/48' })
  })
  afterAll(async () => server.app[Symbol.asyncDispose]())
  const forwarded = (value: string) => hitsAs(server, `X-Forwarded-For: ${value}`)

  it('a client is the one that the proxy names', async () => {
    expect(await forwarded('203.0.113.1')).toBe(1)
    expect(await forwarded('203.0.113.2')).toBe(1)
    expect(await forwarded('203.0.113.1')).toBe(2)
  })

  it('a client is not what it put in front of that itself', async () => {
    expect(await forwarded('203.0.113.10')).toBe(1)
    expect(await forwarded('192.0.2.1, 203.0.113.10')).toBe(2)
    expect(await forwarded('127.0.0.1, 10.0.0.1, 203.0.113.10')).toBe(3)
    expect(await forwarded('<script>,203.0.113.10')).toBe(4)
    expect(await hitsAs(server, 'X-Forwarded-For: 192.0.2.2', 'X-Forwarded-For: 203.0.113.10')).toBe(5)
  })

  it('trusted proxies in a row are looked through', async () => {
    expect(await forwarded('203.0.113.20, 10.1.2.3, 2001:db8:ffff::5')).toBe(1)
    expect(await forwarded('192.0.2.9, 203.0.113.20, 10.9.9.9')).toBe(2)
    expect(await forwarded('203.0.113.20, ::ffff:10.1.2.3')).toBe(3)
  })

  it('a client is counted by /64 over IPv6, and once for all ways to write an IPv4 address', async () => {
    expect(await forwarded('2001:db8:1:2::1')).toBe(1)
    expect(await forwarded('2001:0DB8:1:2:aaaa:bbbb:cccc:dddd')).toBe(2)
    expect(await forwarded('[2001:db8:1:2::5]:4711')).toBe(3)
    expect(await forwarded('2001:db8:1:3::1')).toBe(1)
    expect(await forwarded('203.0.113.30')).toBe(1)
    expect(await forwarded('::ffff:203.0.113.30')).toBe(2)
    expect(await forwarded('203.0.113.30:55555')).toBe(3)
  })

  it('what is no address is one client altogether', async () => {
    const first = await forwarded('unknown')
    expect(await forwarded('_hidden')).toBe(first + 1)
    expect(await forwarded('203.0.113.999')).toBe(first + 2)
  })

  it('a proxy that names nobody is the client itself', async () => {
    const first = await hitsAs(server)
    expect(await hitsAs(server, 'X-Forwarded-For:')).toBe(first + 1)
    expect(await hitsAs(server, 'X-Forwarded-For: 10.0.0.7')).toBe(1)
  })
})
