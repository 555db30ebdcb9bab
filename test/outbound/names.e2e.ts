import { lookup } from 'node:dns/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { DnsHostResolver } from '#platform/outbound/dns-host-resolver.js'
import { type DnsAnswer, type DnsQuestion, DnsServer, NXDOMAIN, SERVFAIL } from '../support/dns-server.js'
import { eventually } from '../support/eventually.js'
import { Canary, createOutbound } from '../support/outbound.js'

const V4 = { address: '192.0.2.1', family: 4 }
const V6 = { address: '2001:db8::1', family: 6 }

interface NamesOptions {
  readonly hosts?: string
  readonly resolvConf?: string
}

/** A resolver with a name server, a hosts file and a resolv.conf of its own. */
async function start(
  answer: Readonly<Record<string, DnsAnswer>> | ((question: DnsQuestion) => DnsAnswer),
  { hosts = '', resolvConf = '' }: NamesOptions = {},
) {
  const directory = await mkdtemp(join(tmpdir(), 'names-'))
  const [hostsPath, resolvConfPath] = [join(directory, 'hosts'), join(directory, 'resolv.conf')]
  await Promise.all([writeFile(hostsPath, hosts), writeFile(resolvConfPath, resolvConf)])
  const server = await DnsServer.start(
    typeof answer === 'function' ? answer : ({ name }) => (name in answer ? (answer[name] ?? null) : NXDOMAIN),
  )
  return {
    server,
    resolver: new DnsHostResolver({ servers: [server.address], hostsPath, resolvConfPath }),
    /** Each name that was asked for, in order. */
    names: () => [...new Set(server.questions.map(({ name }) => name))],
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await rm(directory, { recursive: true })
    },
  }
}

describe('the addresses of a name', () => {
  it.each([
    ['both families', ['192.0.2.1', '2001:db8::1'], [V4, V6]],
    ['one', ['192.0.2.1'], [V4]],
    ['the other', ['2001:db8::1'], [V6]],
  ])('are those of %s', async (_what, addresses, found) => {
    await using it = await start({ 'tools.example': addresses })
    expect(await it.resolver.resolve('tools.example')).toEqual(found)
    expect(it.server.questions).toHaveLength(2)
  })

  it.each([
    ['a name that does not exist', 'tools.example', NXDOMAIN, 'ENOTFOUND'],
    ['a name without an address', 'tools.example', [], 'ENOTFOUND'],
    ['a name that no server could be asked for', `${'x'.repeat(64)}.example`, NXDOMAIN, 'ENOTFOUND'],
    ['a server that fails', 'tools.example', SERVFAIL, 'ESERVFAIL'],
  ])('are none: %s', async (_what, name, answer, code) => {
    await using it = await start({ [name]: answer })
    await expect(it.resolver.resolve(name)).rejects.toMatchObject({ code })
  })

  it('are those of one family when the other fails', async () => {
    await using it = await start(({ type }) => (type === 'A' ? ['192.0.2.1'] : SERVFAIL))
    expect(await it.resolver.resolve('tools.example')).toEqual([V4])
  })

  it('are those of the hosts file where it has any, and nobody is asked', async () => {
    const hosts =
      '# 192.0.2.9 tools.corp\n192.0.2.1\tcorp Tools.CORP # here\n2001:db8::1 tools.corp\nno-address tools.corp\n'
    await using it = await start({ 'tools.corp': ['192.0.2.7'] }, { hosts })
    expect(await it.resolver.resolve('tools.corp')).toEqual([V4, V6])
    expect(await it.resolver.resolve('corp')).toEqual([V4])
    expect(await it.resolver.resolve('corp.')).toEqual([V4])
    expect(it.server.questions).toEqual([])
  })

  it('are this machine’s own for localhost', async () => {
    const found = await new DnsHostResolver().resolve('localhost')
    expect(found).toContainEqual({ address: '127.0.0.1', family: 4 })
  })

  it('are found by the search domains, which come first for short names', async () => {
    const resolvConf = 'search dev.svc.local svc.local.\noptions timeout:1 ndots:2 # as in Kubernetes\n'
    await using it = await start({ 'tools.dev.svc.local': ['192.0.2.1'], 'a.b.example': ['192.0.2.1'] }, { resolvConf })
    expect(await it.resolver.resolve('tools.dev')).toEqual([V4])
    expect(await it.resolver.resolve('a.b.example')).toEqual([V4])
    await expect(it.resolver.resolve('tools.dev.')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    expect(it.names()).toEqual(['tools.dev.dev.svc.local', 'tools.dev.svc.local', 'a.b.example', 'tools.dev'])
  })

  it('are looked for in at most six search domains', async () => {
    const domains = Array.from({ length: 20 }, (_, index) => `d${index}`)
    await using it = await start({}, { resolvConf: `search ${domains.join(' ')}` })
    await expect(it.resolver.resolve('tools')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    expect(it.names()).toEqual([...domains.slice(0, 6).map((domain) => `tools.${domain}`), 'tools'])
  })

  it('are asked for once by all who want them at the same time, and again later', async () => {
    const answers = [['192.0.2.1'], ['192.0.2.2']]
    await using it = await start(() => answers[it.server.questions.length > 2 ? 1 : 0] ?? null)
    const found = await Promise.all(Array.from({ length: 20 }, () => it.resolver.resolve('tools.example')))
    expect(new Set(found.flat())).toEqual(new Set([V4]))
    expect(it.server.questions).toHaveLength(2)
    expect(await it.resolver.resolve('tools.example')).toEqual([{ address: '192.0.2.2', family: 4 }])
  })
})

describe('names that are slow', () => {
  // Waits for four seconds on purpose: all that is slow together.
  it('delay nobody, and end', async () => {
    await using it = await start(({ name, type }) => {
      if (name === 'half.example') return type === 'A' ? ['192.0.2.1'] : null
      return name === 'healthy.example' ? ['192.0.2.1'] : null
    })
    let ended = 0
    const startedAt = performance.now()
    const slow = Array.from({ length: 50 }, async (_, index) => {
      const error = await it.resolver.resolve(`slow-${index}.example`).catch((thrown: unknown) => thrown)
      ended++
      return error
    })
    const half = it.resolver.resolve('half.example')
    await eventually(() => it.names().length > 50)
    expect(await it.resolver.resolve('healthy.example')).toEqual([V4])
    // Nor those who ask the operating system: the model providers' names are looked up so.
    expect(await lookup('localhost')).toBeDefined()
    expect(ended).toBe(0)
    expect(await half).toEqual([V4])
    const errors = await Promise.all(slow)
    expect(errors).toEqual(
      errors.map(() => expect.objectContaining({ code: expect.stringMatching(/^(ECANCELLED|ETIMEOUT)$/) })),
    )
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })

  it.concurrent('are told as a host that cannot be reached', async () => {
    await using it = await start(() => null)
    await using outbound = createOutbound({ resolver: it.resolver })
    await expect(outbound.client.send({ url: 'http://slow.example/' })).rejects.toMatchObject({
      code: 'outbound_timeout',
      detail: 'The host could not be reached.',
    })
  })
})

it('the addresses that a name server tells are judged like all others', async () => {
  await using canary = await Canary.start()
  await using it = await start({ 'rebinding.example': ['127.0.0.1'], 'both.example': ['127.0.0.1', '::1'] })
  const url = (name: string) => `http://${name}:${canary.port}/`
  await using closed = createOutbound({
    env: { OUTBOUND_ALLOWED_PORTS: String(canary.port) },
    resolver: it.resolver,
  })
  const code = 'outbound_refused'
  await expect(closed.client.send({ url: url('rebinding.example') })).rejects.toMatchObject({ code })
  await using half = createOutbound({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' }, resolver: it.resolver })
  await expect(half.client.send({ url: url('both.example') })).rejects.toMatchObject({ code })
  expect(canary.connections).toEqual([])
  expect(await half.client.send({ url: url('rebinding.example') })).toMatchObject({ status: 200 })
  expect(canary.connections).toEqual(['127.0.0.1'])
})
