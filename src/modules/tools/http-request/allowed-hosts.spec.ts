import { describe, expect, it } from '@jest/globals'
import { isAllowed, parseAllowedHost } from './allowed-hosts.js'

const LIST = ['api.example.com', '*.Example.org', 'bücher.example', '10.0.0.1:8080', '[::1]:9000']

function allows(url: string, list = LIST): boolean {
  return isAllowed(
    new URL(url),
    list.map((entry) => parseAllowedHost(entry)).filter((entry) => entry !== null),
  )
}

describe('an allow-list of hosts', () => {
  it.each([
    'https://api.example.com/v1?x=1',
    'http://api.example.com',
    'https://API.EXAMPLE.COM:443/',
    'https://ａｐｉ.example.com/',
    'https://a.example.org',
    'https://a.b.example.org',
    'https://xn--bcher-kva.example/',
    'https://BÜCHER.example/',
    'http://10.0.0.1:8080/',
    'http://167772161:8080/',
    'http://[0:0:0:0:0:0:0:1]:9000/',
  ])('allows %s', (url) => {
    expect(allows(url)).toBe(true)
  })

  it.each([
    'https://api.example.com@evil.test/',
    'https://api.example.com:secret@api.example.com/',
    'https://user@api.example.com/',
    'https://evil-api.example.com/',
    'https://api.example.com.evil.test/',
    'https://api.example.community/',
    'https://evil.test/api.example.com',
    'https://evil.test/?host=api.example.com',
    'https://evil.test#api.example.com',
    'https://evil.test\\.api.example.com/',
    'https://api.example.com./',
    'https://api.example.com:8443/',
    'https://api.example.com:80/',
    'http://api.example.com:443/',
    'https://example.org/',
    'https://evilexample.org/',
    'https://a.example.org:8080/',
    'https://example.com/',
    'https://аpi.example.com/',
    'http://10.0.0.1/',
    'http://10.0.0.1:8081/',
    'ftp://api.example.com/',
    'file:///api.example.com',
  ])('does not allow %s', (url) => {
    expect(allows(url)).toBe(false)
  })

  it.each([
    '*',
    '*.com',
    '*.*.example.com',
    'a*.example.com',
    '*.0.0.1',
    '*.1.2.3.4',
    'https://api.example.com',
    'api.example.com/path',
    'user@api.example.com',
    'api.example.com?x',
    'api.example.com#x',
    'api%2Eexample.com',
    'api.example.com:',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '127.0.0.1:99999',
    'a b',
    '',
    '.',
  ])('has no entry %j', (entry) => {
    expect(parseAllowedHost(entry)).toBeNull()
  })
})
