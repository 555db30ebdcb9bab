import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { AppConfig } from './app-config.js'
import { ConfigError } from './config-error.js'
import { renderEnvExample } from './env-example.js'
import { settingsSchema } from './settings.js'

const JWT_SECRET = 'a secret of more than thirty-two characters'

describe('AppConfig', () => {
  let dataDir: string
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'temponest-config-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

  it('needs nothing to be set', () => {
    expect(AppConfig.parse({ DATA_DIR: dataDir }).settings).toMatchObject({ PORT: 3000, NODE_ENV: 'development' })
  })

  it('takes a blank value for unset', () => {
    expect(AppConfig.parse({ DATA_DIR: dataDir, PORT: ' ', DATABASE_URL: '' }).settings.PORT).toBe(3000)
  })

  it.each([
    ['PORT', '70000'],
    ['PORT', 'http'],
    ['DATABASE_URL', 'mysql://secret-host/db'],
    ['REDIS_URL', 'not a url'],
    ['DEFAULT_MODEL', 'no-provider'],
    ['JWT_SECRET', 'too-short'],
    ['RUN_CONCURRENCY', '0'],
    ['TRUSTED_PROXIES', 'proxy.example.com'],
    ['TRUSTED_PROXIES', '10.0.0.0/8,::/0'],
    ['OUTBOUND_ALLOWED_CIDRS', 'internal.example.com'],
    ['OUTBOUND_ALLOWED_CIDRS', '10.0.0.0/8,0.0.0.0/0'],
    ['OUTBOUND_ALLOWED_PORTS', '443,https'],
    ['OUTBOUND_ALLOWED_PORTS', '443,65536'],
    ['OUTBOUND_TIMEOUT_MS', '600001'],
    ['OUTBOUND_MAX_RESPONSE_BYTES', '1023'],
    ['LOG_LEVEL', 'loud'],
    ['NODE_ENV', 'staging'],
  ])('refuses %s=%s in one line that names it and does not repeat the value', (name, value) => {
    const parse = (): AppConfig => AppConfig.parse({ DATA_DIR: dataDir, [name]: value })
    expect(parse).toThrow(ConfigError)
    expect(parse).toThrow(new RegExp(`^${name}: [^\n]+$`))
    expect(parse).not.toThrow(new RegExp(value.replaceAll('/', '\\/')))
  })

  it('reads lists of ranges and of ports', () => {
    const lists = { OUTBOUND_ALLOWED_CIDRS: '10.0.0.0/8, ::1', OUTBOUND_ALLOWED_PORTS: '80, 8443' }
    expect(AppConfig.parse({ DATA_DIR: dataDir, ...lists }).settings).toMatchObject({
      OUTBOUND_ALLOWED_CIDRS: ['10.0.0.0/8', '::1'],
      OUTBOUND_ALLOWED_PORTS: [80, 8443],
    })
    const { settings } = AppConfig.parse({ DATA_DIR: dataDir })
    expect(settings.OUTBOUND_ALLOWED_CIDRS).toBeUndefined()
    expect(settings.OUTBOUND_ALLOWED_PORTS).toEqual([80, 443, 8080, 8443])
  })

  it('names every wrong setting at once', () => {
    expect(() => AppConfig.parse({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(/PORT: .*; LOG_LEVEL: /)
  })

  it('makes a secret for development once and keeps it readable by its owner only', () => {
    const first = AppConfig.parse({ DATA_DIR: dataDir })
    expect(first.jwtSecret.length).toBeGreaterThanOrEqual(32)
    expect(AppConfig.parse({ DATA_DIR: dataDir }).jwtSecret).toBe(first.jwtSecret)
    expect(statSync(join(dataDir, 'secrets', 'jwt-secret')).mode & 0o077).toBe(0)
  })

  it('refuses production without its secrets', () => {
    expect(() => AppConfig.parse({ NODE_ENV: 'production' })).toThrow('JWT_SECRET: required when NODE_ENV=production')
    expect(AppConfig.parse({ NODE_ENV: 'production', DATA_DIR: dataDir, JWT_SECRET }).jwtSecret).toBe(JWT_SECRET)
  })

  it.each([
    ['ARGON2_MEMORY_KIB', '19455'],
    ['ARGON2_TIME_COST', '1'],
  ])('refuses to hash passwords more weakly in production: %s=%s', (name, value) => {
    const parse = (): AppConfig =>
      AppConfig.parse({ NODE_ENV: 'production', DATA_DIR: dataDir, JWT_SECRET, [name]: value })
    expect(parse).toThrow(new RegExp(`^${name}: at least `))
  })
})

describe('.env.example', () => {
  const file = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')

  it('is what the settings say: run `npm run env:example`', () => {
    expect(file).toBe(renderEnvExample())
  })

  it('names every setting once', () => {
    const names = [...file.matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => String(name))
    expect(names.sort()).toEqual(Object.keys(settingsSchema.shape).sort())
  })

  it('is a valid configuration as it stands', () => {
    const lines = file.split('\n').filter((line) => /^[A-Z]/.test(line))
    const environment = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]))
    expect(
      settingsSchema.safeParse(Object.fromEntries(Object.entries(environment).filter(([, value]) => value))).success,
    ).toBe(true)
  })
})
