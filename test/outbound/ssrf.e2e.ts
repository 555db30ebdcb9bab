import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { DnsHostResolver } from '#platform/outbound/dns-host-resolver.js'
import { guardedConnector } from '#platform/outbound/guarded-connector.js'
import type { HostResolver } from '#platform/outbound/host-resolver.js'
import { OutboundPolicy } from '#platform/outbound/outbound-policy.js'
import { Canary, createOutbound, TestNames } from '../support/outbound.js'

const PUBLIC = '203.0.112.7'
const NO_ADDRESS = 'The host has no address that may be reached at this port.'
const REFUSED_ADDRESS = 'This address may not be reached.'
const REFUSED_SCHEME = 'Only http and https URLs may be reached.'
const REFUSED_USER = 'A URL must not hold a user name or a password: send them in a header.'
const INVALID = 'The URL is not valid.'

/** Each at the canary's port, which is allowed: that nobody connects is for the address alone. */
const LOOPBACK_LITERALS = [
  '127.0.0.1',
  '127.0.0.1.',
  '127.0.0.2',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7F.0.0.0x1',
  '0177.0.0.1',
  '017700000001',
  '00000177.0.0.1',
  '１２７.０.０.１',
  '①②⑦.⓪.⓪.①',
  '127。0。0。1',
  '127%2e0%2e0%2e1',
  '%31%32%37.0.0.1',
  '[::ffff:127.0.0.1]',
  '[::FFFF:7F00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
]
const OTHER_LITERALS = [
  '0.0.0.0',
  '0',
  '[::]',
  '[::1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[::127.0.0.1]',
  '[::7f00:1]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b:1::127.0.0.1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  '[fe80::1]',
  '[fec0::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.0.1',
  '100.64.0.1',
  '169.254.169.254',
  '2852039166',
  '0xa9.0xfe.0xa9.0xfe',
  '[::ffff:169.254.169.254]',
  '168.63.129.16',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
]
const NAMES: Record<string, readonly (readonly string[])[]> = {
  localhost: [['127.0.0.1', '::1']],
  'localhost.': [['127.0.0.1']],
  'admin.localhost': [['127.0.0.1']],
  'printer.local': [['192.168.1.9']],
  'metadata.google.internal': [['169.254.169.254']],
  redis: [['10.0.0.6']],
  'loopback.attacker.example': [['127.0.0.1']],
  'other-loopback.attacker.example': [['127.8.8.8']],
  'six.attacker.example': [['::1']],
  'mapped.attacker.example': [['::ffff:127.0.0.1']],
  'mapped-hex.attacker.example': [['::ffff:7f00:1']],
  'compatible.attacker.example': [['::127.0.0.1']],
  'nat64.attacker.example': [['64:ff9b::7f00:1']],
  'zone.attacker.example': [['fe80::1%lo']],
  'any.attacker.example': [['0.0.0.0']],
  'first-public.attacker.example': [[PUBLIC, '127.0.0.1']],
  'first-private.attacker.example': [['127.0.0.1', PUBLIC]],
  'both-families.attacker.example': [[PUBLIC, '::1']],
  'no-address.attacker.example': [[]],
  'not-an-address.attacker.example': [['0177.0.0.1']],
  'xn--mgba-attacker.example': [['127.0.0.1']],
}
const OTHER_URLS: [url: string, detail: string][] = [
  ['http://user@127.0.0.1:PORT/', REFUSED_USER],
  ['http://user:password@127.0.0.1:PORT/', REFUSED_USER],
  ['http://example.com:80@127.0.0.1:PORT/', REFUSED_USER],
  ['http://:password@127.0.0.1:PORT/', REFUSED_USER],
  ['http:\\\\127.0.0.1:PORT\\', REFUSED_ADDRESS],
  ['http:/127.0.0.1:PORT/', REFUSED_ADDRESS],
  ['http:127.0.0.1:PORT/', REFUSED_ADDRESS],
  ['http://///127.0.0.1:PORT/', REFUSED_ADDRESS],
  [' \thttp://127.0.0.1:PORT/', REFUSED_ADDRESS],
  ['ht\ntp://127.0.\t0.1:PORT/', REFUSED_ADDRESS],
  ['HTTP://127.0.0.1:PORT/', REFUSED_ADDRESS],
  ['http://127.0.0.1:PORT#@example.com/', REFUSED_ADDRESS],
  ['http://127.0.0.1:PORT\\@example.com/', REFUSED_ADDRESS],
  ['http://127.0.0.1:00PORT/', REFUSED_ADDRESS],
  ['http://[fe80::1%25lo]:PORT/', INVALID],
  ['http://[::1%lo]:PORT/', INVALID],
  ['http://[127.0.0.1]:PORT/', INVALID],
  ['http://127.0.0.1.1:PORT/', INVALID],
  ['http://256.0.0.1:PORT/', INVALID],
  ['http://127.0.0.1:65536/', INVALID],
  ['http://unix:/var/run/docker.sock:/v1/info', NO_ADDRESS],
  ['//127.0.0.1:PORT/', INVALID],
  ['127.0.0.1', INVALID],
  ['', INVALID],
  ['https://', INVALID],
  ['unix:/var/run/docker.sock', REFUSED_SCHEME],
  ['http+unix://%2Fvar%2Frun%2Fdocker.sock/info', REFUSED_SCHEME],
  ['file:///etc/passwd', REFUSED_SCHEME],
  ['file://127.0.0.1:/etc/passwd', INVALID],
  ['ftp://127.0.0.1:PORT/', REFUSED_SCHEME],
  ['gopher://127.0.0.1:PORT/_PING', REFUSED_SCHEME],
  ['dict://127.0.0.1:PORT/info', REFUSED_SCHEME],
  ['ws://127.0.0.1:PORT/', REFUSED_SCHEME],
  ['ldap://127.0.0.1:PORT/', REFUSED_SCHEME],
  ['data:text/plain,hello', REFUSED_SCHEME],
  ['blob:http://127.0.0.1:PORT/1', REFUSED_SCHEME],
  ['javascript:alert(1)', REFUSED_SCHEME],
  ['localhost:PORT', REFUSED_SCHEME],
  ['http://127.0.0.1:22/', 'Port 22 may not be reached.'],
  [`http://${PUBLIC}:0/`, 'Port 0 may not be reached.'],
  [`http://${PUBLIC}:6379/`, 'Port 6379 may not be reached.'],
  ['https://example.com:5432/', 'Port 5432 may not be reached.'],
]

describe('URLs of tenants', () => {
  let canary: Canary
  beforeAll(async () => {
    canary = await Canary.start()
  })
  afterAll(() => canary[Symbol.asyncDispose]())
  beforeEach(() => {
    canary.connections.length = 0
  })

  const settings = () => ({ OUTBOUND_ALLOWED_PORTS: `80,443,${canary.port}` })
  const at = (host: string) => `http://${host}:${canary.port}/`

  /** By all ways out, and nobody is connected to. */
  async function expectRefusal(url: string, detail: string, resolver: HostResolver = new TestNames(NAMES)) {
    await using outbound = createOutbound({ env: settings(), resolver })
    const refusal = { code: 'outbound_refused', kind: 'invalid', detail }
    await expect(outbound.client.request({ url })).rejects.toMatchObject(refusal)
    await expect(outbound.client.send({ url })).rejects.toMatchObject(refusal)
    await expect(outbound.client.fetch(url)).rejects.toMatchObject(refusal)
    expect(canary.connections).toEqual([])
    expect(await outbound.outcomes()).toEqual({ refused: 3 })
  }

  it.each([...LOOPBACK_LITERALS, ...OTHER_LITERALS])('do not reach %s', async (host) => {
    await expectRefusal(at(host), REFUSED_ADDRESS)
    await using outbound = createOutbound({ env: settings() })
    expect(() => outbound.client.checkUrl(at(host))).toThrow(`outbound_refused: ${REFUSED_ADDRESS}`)
  })

  it.each(Object.entries(NAMES))('do not reach the name %s, which stands for %j', async (name) => {
    await expectRefusal(at(name), NO_ADDRESS)
  })

  it('do not reach this machine by the name that the operating system knows', async () => {
    for (const name of ['localhost', 'LOCALHOST', 'ⓛocalhost']) {
      await expectRefusal(at(name), NO_ADDRESS, new DnsHostResolver())
    }
  })

  it('are judged once more where the connection is made, literals too', async () => {
    const policy = new OutboundPolicy({ allowedCidrs: [], allowedPorts: [canary.port] })
    const connect = guardedConnector({ policy, resolver: new TestNames(NAMES), timeoutMs: 1000 })
    for (const hostname of ['127.0.0.1', '::1', '::ffff:127.0.0.1', 'localhost']) {
      const { promise, resolve } = Promise.withResolvers<unknown>()
      connect({ hostname, protocol: 'http:', port: String(canary.port) }, (...[error]) => resolve(error))
      expect(await promise).toMatchObject({ code: 'outbound_refused', detail: NO_ADDRESS })
    }
    expect(canary.connections).toEqual([])
  })

  it('tell a name that does not exist by the same words as one that is forbidden', async () => {
    await expectRefusal(at('nobody.internal'), NO_ADDRESS)
  })

  it.each(OTHER_URLS)('are refused: %j (%s)', async (template, detail) => {
    const url = template.replace('PORT', String(canary.port))
    await expectRefusal(url, detail)
  })

  // What is above would prove nothing if these spellings led nowhere.
  it.each(LOOPBACK_LITERALS)('reach the same server at %s once the operator allows it', async (host) => {
    await using outbound = createOutbound({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' } })
    const { status, body } = await outbound.client.request({ url: at(host) })
    expect([status, String(body)]).toEqual([200, 'tweet'])
    expect(canary.connections).toEqual([expect.stringMatching(/^127\.0\.0\.[12]$/)])
  })

  it('reach nothing beside the range that is allowed', async () => {
    const env = { OUTBOUND_ALLOWED_CIDRS: '127.0.0.2/32', OUTBOUND_ALLOWED_PORTS: String(canary.port) }
    const resolver = new TestNames({ 'half.example': [['127.0.0.2', '127.0.0.1']] })
    await using outbound = createOutbound({ env, resolver })
    const code = 'outbound_refused'
    await expect(outbound.client.request({ url: at('127.0.0.1') })).rejects.toMatchObject({ code })
    await expect(outbound.client.request({ url: at('half.example') })).rejects.toMatchObject({ code })
    expect(canary.connections).toEqual([])
  })

  it('connect to the address that was checked, whatever the name says a moment later', async () => {
    const resolver = new TestNames({ 'rebinding.example': [['127.0.0.2'], ['127.0.0.1']] })
    await using outbound = createOutbound({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.2' }, resolver })
    const url = at('rebinding.example')
    expect(await outbound.client.request({ url })).toMatchObject({ status: 200 })
    expect(canary.connections).toEqual(['127.0.0.2'])
    expect(resolver.lookups).toEqual(['rebinding.example'])
    await using later = createOutbound({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.2' }, resolver })
    await expect(later.client.request({ url })).rejects.toMatchObject({ code: 'outbound_refused', detail: NO_ADDRESS })
    expect(canary.connections).toEqual(['127.0.0.2'])
  })

  it.each([301, 302, 303, 307, 308])('are not left by a redirect with %i', async (status) => {
    await using redirecting = await Canary.start((_request, response) => {
      response.writeHead(status, { location: at('127.0.0.1') }).end()
    })
    await using outbound = createOutbound({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' } })
    const url = `http://127.0.0.1:${redirecting.port}/`
    for (const way of ['request', 'send'] as const) {
      const answer = await outbound.client[way]({ url })
      expect(answer).toMatchObject({ status, headers: { location: at('127.0.0.1') } })
    }
    for (const redirect of ['follow', 'manual', 'error'] as const) {
      await expect(outbound.client.fetch(url, { redirect })).rejects.toMatchObject({
        code: 'outbound_refused',
        detail: `The server answered with a redirect (${status}), which is not followed.`,
      })
    }
    expect(canary.connections).toEqual([])
  })

  it('are reached without the proxy that the environment names', async () => {
    await using target = await Canary.start()
    process.env['HTTP_PROXY'] = process.env['http_proxy'] = at('127.0.0.1')
    try {
      await using outbound = createOutbound({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' } })
      await outbound.client.request({ url: `http://127.0.0.1:${target.port}/` })
      await outbound.client.send({ url: `http://127.0.0.1:${target.port}/` })
    } finally {
      delete process.env['HTTP_PROXY']
      delete process.env['http_proxy']
    }
    expect(new Set(target.connections)).toEqual(new Set(['127.0.0.1']))
    expect(canary.connections).toEqual([])
  })
})
