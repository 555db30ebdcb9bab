import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { AppHome, PRODUCTION } from '../support/app-process.js'
import { createTestDatabase } from '../support/test-database.js'
import { HttpUser, type RunAnswer } from '../support/http-user.js'

jest.setTimeout(60_000)
const execute = promisify(execFile)

let home: AppHome

beforeEach(async () => {
  home = await AppHome.create()
})
afterEach(() => home[Symbol.asyncDispose]())

describe('the first start', () => {
  it('says where it listens and what it uses, and the three lines that it offers work as they stand', async () => {
    expect((await stat(home.dataDir)).mode & 0o777).toBe(0o700)
    // Just as a newcomer has it: with a compile cache of its own, too.
    const app = home.start({ NODE_COMPILE_CACHE: '' })
    const url = await app.ready()
    await app.until(() => app.stdout.includes('curl -s') && app.stdout.includes('/v1/runs/$RUN'), 1000)
    expect(app.stdout).toMatch(new RegExp(String.raw`^TempoNest \d+\.\d+\.\d+ listens on ${url}$`, 'm'))
    expect(app.stdout).toMatch(
      new RegExp(String.raw`^ +database +PostgreSQL 18\.\d+, embedded in ${home.dataDir}$`, 'm'),
    )
    expect(app.stdout).toMatch(/^ +cache +in-process$/m)
    expect(app.stdout).toMatch(/^ +model +offline\/extractive$/m)
    expect(app.stderr).toBe('')

    const lines = app.stdout.split('\n').filter((line) => line.includes('curl -s'))
    expect(lines).toHaveLength(3)
    const { stdout, stderr } = await execute('bash', ['-c', lines.join('\n')])
    expect(stderr).toBe('')
    const run = JSON.parse(stdout) as RunAnswer & { task: string }
    expect(run).toMatchObject({
      status: 'completed',
      task: 'Write a function that reverses a string.',
      model: 'offline/extractive',
      output: { text: expect.stringContaining('No language model is configured') },
    })
  })

  it('shows the model and the cache that are configured, and no secret', async () => {
    const app = home.start({
      OPENAI_API_KEY: 'sk-very-secret',
      REDIS_URL: 'redis://:redis-secret@127.0.0.1:1',
      DEFAULT_MODEL: 'openai/gpt-4o-mini',
    })
    await app.ready()
    await app.until(() => app.stdout.includes('Try it'), 1000)
    expect(app.stdout).toMatch(/^ +cache +Redis at 127\.0\.0\.1:1$/m)
    expect(app.stdout).toMatch(/^ +model +openai\/gpt-4o-mini$/m)
    for (const secret of ['sk-very-secret', 'redis-secret']) expect(app.stdout + app.stderr).not.toContain(secret)
  })

  it('prints log lines only, and no banner, in production', async () => {
    await using database = await createTestDatabase()
    const app = home.start({ ...PRODUCTION, DATABASE_URL: database.url })
    await app.ready()
    await app.stop()
    for (const line of app.stdout.trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow()
    expect(home.postgresPids()).toEqual([])
  })
})

describe('a restart', () => {
  it('finds users and runs as they were, and is ready soon', async () => {
    const first = home.start()
    const user = await HttpUser.register(await first.ready())
    const { id } = (await (await user.run({ task: 'Remember me.' })).json()) as RunAnswer
    const before = await user.getRun(id)
    expect(await first.stop()).toMatchObject({ code: 0 })

    const second = home.start()
    const url = await second.ready()
    const readyAfterMs = performance.now() - second.startedAt
    const again = await HttpUser.login(url, user.email)
    expect(await again.getRun(id)).toEqual(before)
    // The aim is 2 s on a machine that does nothing else.
    expect(readyAfterMs).toBeLessThan(5000)
  })
})
