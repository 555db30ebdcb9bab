import { describe, expect, it } from '@jest/globals'
import { AppConfig } from '../config/app-config.js'
import { linkWithToken, publicUrl } from './public-url.js'

const config = (settings: Record<string, string>): AppConfig =>
  AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET: 'a secret for tests that has more than 32 characters', ...settings })

describe('publicUrl', () => {
  it.each([
    [{ PUBLIC_URL: 'https://example.com/' }, 'https://example.com'],
    [{ PUBLIC_URL: 'https://example.com/temponest//' }, 'https://example.com/temponest'],
    [{ HOST: '127.0.0.1', PORT: '3000' }, 'http://127.0.0.1:3000'],
    [{ HOST: '0.0.0.0', PORT: '8080' }, 'http://localhost:8080'],
    [{ HOST: '::', PORT: '8080' }, 'http://localhost:8080'],
    [{ HOST: '::1', PORT: '8080' }, 'http://[::1]:8080'],
  ])('of %j is %s', (settings, url) => {
    expect(publicUrl(config(settings))).toBe(url)
  })

  it('is what links stand on, their token behind the hash', () => {
    const link = linkWithToken(config({ PUBLIC_URL: 'https://example.com/t/' }), 'reset-password', 'tnp_abc')
    expect(link).toBe('https://example.com/t/reset-password#token=tnp_abc')
  })
})
