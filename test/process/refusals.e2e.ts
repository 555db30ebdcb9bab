import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { AppHome, type Exit } from '../support/app-process.js'
import { HttpUser } from '../support/http-user.js'
import { createTestDatabase } from '../support/test-database.js'

jest.setTimeout(60_000)

let home: AppHome

beforeEach(async () => {
  home = await AppHome.create()
})
afterEach(() => home[Symbol.asyncDispose]())

/** What an operator sees of a start that is refused. @throws Error when that is not one line, and the exit code 1 */
function refusalOf({ code, signal, stderr }: Exit): string {
  if (code === 1 && signal === null && /^temponest: [^\n]+\n$/.test(stderr)) return stderr
  throw new Error(`not a refusal in one line, but code ${code}, signal ${signal} and:\n${stderr}`)
}

describe('a start that is refused', () => {
  it.each<[string, Record<string, string>, RegExp]>([
    ['PORT that is no number', { PORT: 'http' }, /PORT: /],
    ['PORT that is out of range', { PORT: '65536' }, /PORT: /],
    ['HOST that is not of this machine', { HOST: '192.0.2.1' }, /HOST: cannot listen on 192\.0\.2\.1/],
    ['DATABASE_URL that is no URL', { DATABASE_URL: 'localhost' }, /DATABASE_URL: must be a URL/],
    ['DATABASE_URL of another protocol', { DATABASE_URL: 'mysql://127.0.0.1/x' }, /DATABASE_URL: must be a URL/],
    [
      'DATABASE_URL where nothing listens',
      { DATABASE_URL: 'postgres://someone:topsecret@127.0.0.1:1/x' },
      /DATABASE_URL: cannot use 127\.0\.0\.1:1\/x: connect ECONNREFUSED/,
    ],
    ['JWT_SECRET that is short', { JWT_SECRET: 'topsecret' }, /JWT_SECRET: must have at least 32 characters/],
    ['DEFAULT_MODEL without a provider', { DEFAULT_MODEL: 'gpt' }, /DEFAULT_MODEL: must look like provider\/model/],
    [
      'DEFAULT_MODEL of a provider that is not configured',
      { DEFAULT_MODEL: 'openai/gpt-4o-mini' },
      /DEFAULT_MODEL: openai\/gpt-4o-mini: Not a model of this server/,
    ],
    ['MODEL_PRICES_FILE that is not there', { MODEL_PRICES_FILE: '/nowhere.yaml' }, /MODEL_PRICES_FILE: .*ENOENT/],
    ['DATA_DIR that is no folder', { DATA_DIR: '/dev/null' }, /DATA_DIR: .*\/dev\/null/],
    ['production without its secrets', { NODE_ENV: 'production' }, /JWT_SECRET.*: required when NODE_ENV=production/],
    [
      'several settings that are wrong',
      { PORT: 'x', LOG_LEVEL: 'loud', RUN_CONCURRENCY: '0' },
      /PORT: .*RUN_CONCURRENCY: .*LOG_LEVEL: /,
    ],
  ])('for %s says so in one line, shows no secret, and leaves nothing running', async (_what, env, message) => {
    const exit = await home.start(env).exit()
    expect(refusalOf(exit)).toMatch(message)
    expect(exit.stderr + exit.stdout).not.toContain('topsecret')
    expect(await home.postgresIsGone()).toBe(true)
  })

  it('for a wrong password says so, and does not show it', async () => {
    await using database = await createTestDatabase()
    const url = new URL(database.url)
    url.password = 'topsecret'
    const exit = await home.start({ DATABASE_URL: url.href }).exit()
    expect(refusalOf(exit)).toMatch(/DATABASE_URL: cannot use .*: password authentication failed for user/)
    expect(exit.stderr + exit.stdout).not.toContain('topsecret')
  })

  it('for a database that does not exist names it', async () => {
    await using database = await createTestDatabase()
    const url = new URL(database.url)
    url.pathname = '/nowhere'
    expect(refusalOf(await home.start({ DATABASE_URL: url.href }).exit())).toMatch(
      /DATABASE_URL: .*"nowhere" does not exist/,
    )
  })

  it('for a superuser as DATABASE_APP_URL says why', async () => {
    await using database = await createTestDatabase()
    const exit = await home.start({ DATABASE_URL: database.url, DATABASE_APP_URL: database.url }).exit()
    expect(refusalOf(exit)).toMatch(/DATABASE_APP_URL: .*row-level security/)
  })

  it('for a busy port names the port, and starts no database for nothing', async () => {
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = squatter.address() as AddressInfo
      expect(refusalOf(await home.start({ PORT: String(port) }).exit())).toMatch(
        new RegExp(`PORT: ${port} is in use on 127.0.0.1`),
      )
      await expect(readFile(join(home.dataDir, 'postgres', 'data', 'PG_VERSION'))).rejects.toThrow('ENOENT')
    } finally {
      squatter.close()
    }
  })

  it('for a data directory that another one serves from leaves that one unharmed', async () => {
    const first = home.start()
    const url = await first.ready()
    const [postgres] = home.postgresPids()
    expect(refusalOf(await home.start().exit())).toMatch(/DATA_DIR: another TempoNest is running on /)
    expect(home.postgresPids()).toEqual([postgres])
    const user = await HttpUser.register(url)
    expect((await user.run({ task: 'Are you well?' })).status).toBe(200)
  })

  it('for a database password that was changed leaves nothing running', async () => {
    const first = home.start()
    await first.ready()
    await first.stop()
    await writeFile(join(home.dataDir, 'secrets', 'database-password'), 'another')
    expect(refusalOf(await home.start().exit())).toMatch(/DATA_DIR: password authentication failed/)
    expect(await home.postgresIsGone()).toBe(true)
  })
})

describe('two starts at once on a new data directory', () => {
  it('leave one that serves and one that says why it does not', async () => {
    const apps = [home.start(), home.start()]
    const outcomes = await Promise.allSettled(apps.map((app) => app.ready()))
    const urls = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
    expect(urls).toHaveLength(1)
    const refused = apps.find((app) => !app.isRunning)
    expect(refusalOf(await refused!.exit())).toMatch(/DATA_DIR: another TempoNest /)
    expect(home.postgresPids()).toHaveLength(1)
    await HttpUser.register(urls[0] ?? '')
  })
})
