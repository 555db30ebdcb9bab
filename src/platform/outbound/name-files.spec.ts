import { describe, expect, it } from '@jest/globals'
import { addressesInHosts, namesToAsk } from './name-files.js'

describe('addressesInHosts', () => {
  const hosts = '127.0.0.1 localhost # 10.0.0.9 tools\n\t::1\tlocalhost Tools.Corp\r\n10.0.0.1 tools\nx.y tools\n'

  it.each([
    ['localhost', ['127.0.0.1', '::1']],
    ['tools.corp', ['::1']],
    ['tools.corp.', ['::1']],
    ['tools', ['10.0.0.1']],
    ['10.0.0.1', []],
    ['corp', []],
    ['#', []],
    ['', []],
  ])('has for %j: %j', (name, addresses) => {
    expect(addressesInHosts(hosts, name).map(({ address }) => address)).toEqual(addresses)
  })
})

describe('namesToAsk', () => {
  it.each([
    ['', 'tools', ['tools']],
    ['nameserver 10.0.0.1', 'tools.example', ['tools.example']],
    ['search a.b c.', 'tools', ['tools.a.b', 'tools.c', 'tools']],
    ['search a', 'tools.example', ['tools.example', 'tools.example.a']],
    ['search a\noptions ndots:5', 'tools.example', ['tools.example.a', 'tools.example']],
    ['search a\noptions edns0 ndots:0', 'tools', ['tools', 'tools.a']],
    ['search a\noptions ndots:x', 'tools.example', ['tools.example', 'tools.example.a']],
    ['search a\noptions ndots:5', 'tools.', ['tools.']],
    ['domain a\nsearch b', 'tools', ['tools.b', 'tools']],
    ['search b\n; search c\n# search d\nsearch', 'tools', ['tools']],
    ['search 1 2 3 4 5 6 7', 'x', ['x.1', 'x.2', 'x.3', 'x.4', 'x.5', 'x.6', 'x']],
  ])('are, with %j, for %s: %j', (resolvConf, name, names) => {
    expect(namesToAsk(resolvConf, name)).toEqual(names)
  })
})
