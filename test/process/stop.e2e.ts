import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppHome } from '../support/app-process.js'
import { HttpUser, type RunAnswer } from '../support/http-user.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { createTestDatabase, withClient } from '../support/test-database.js'

jest.setTimeout(60_000)

let simulator: ModelSimulator
let home: AppHome

beforeAll(async () => {
  simulator = await ModelSimulator.start()
})
afterAll(() => simulator?.stop())
beforeEach(async () => {
  home = await AppHome.create()
})
afterEach(async () => {
  await home[Symbol.asyncDispose]()
  simulator.reset()
})

function modelEnv() {
  return { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' }
}

describe('SIGTERM', () => {
  it('lets requests in flight be answered, with the result of a run that is about to end', async () => {
    simulator.set({ latencyMs: 600 })
    const app = home.start(modelEnv())
    const url = await app.ready()
    const user = await HttpUser.register(url)
    const waiting = Array.from({ length: 20 }, (_, index) => user.run({ task: `Task ${index}` }))
    await simulator.received(20)
    const exit = app.stop()
    const responses = await Promise.all(waiting)
    expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(200))
    const runs = (await Promise.all(responses.map((response) => response.json()))) as RunAnswer[]
    expect(runs.map(({ status }) => status)).toEqual(Array(20).fill('completed'))

    expect(await exit).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(await home.postgresIsGone()).toBe(true)
    await expect(fetch(`${url}/health/liveness`)).rejects.toThrow('fetch failed')
  })

  it('hands a long run back without counting the attempt, and a restart completes it', async () => {
    await using database = await createTestDatabase()
    const env = { ...modelEnv(), DATABASE_URL: database.url }
    const first = home.start(env)
    const user = await HttpUser.register(await first.ready())
    simulator.next({ latencyMs: 120_000 })
    const waiting = user.run({ task: 'Take very long.' })
    await simulator.received(1)
    const stoppedAt = performance.now()
    const exit = first.stop()
    const response = await waiting
    expect(response.status).toBe(202)
    const { id } = (await response.json()) as RunAnswer
    expect(response.headers.get('location')).toBe(`/v1/runs/${id}`)
    expect(await exit).toMatchObject({ code: 0, stderr: '' })
    expect(performance.now() - stoppedAt).toBeLessThan(6000)
    await simulator.settled()
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['disconnected'])
    const rows = await withClient(database.url, (client) =>
      client.query(
        'SELECT status, attempt, lease_expires_at, queued_since IS NOT NULL AS is_queued FROM runs WHERE id = $1',
        [id],
      ),
    )
    expect(rows.rows).toEqual([{ status: 'running', attempt: 1, lease_expires_at: null, is_queued: true }])

    const second = home.start(env)
    const again = await HttpUser.login(await second.ready(), user.email)
    // Its second worker, and its first attempt still.
    expect(await again.whenFinished(id, 5000)).toMatchObject({ status: 'completed', attempt: 1 })
  })

  it('does not wait for connections that are idle', async () => {
    const app = home.start()
    const url = new URL(await app.ready())
    const idle = connect(Number(url.port), url.hostname)
    idle.on('error', () => undefined)
    await new Promise((resolve) => idle.once('connect', resolve))
    const stoppedAt = performance.now()
    expect(await app.stop()).toMatchObject({ code: 0, stderr: '' })
    expect(performance.now() - stoppedAt).toBeLessThan(5000)
    idle.destroy()
  })

  it('does not wait beyond the grace for a client that never ends its request, and stops PostgreSQL all the same', async () => {
    const app = home.start({ SHUTDOWN_GRACE_MS: '1000' })
    const url = new URL(await app.ready())
    const slow = connect(Number(url.port), url.hostname)
    slow.on('error', () => undefined)
    slow.write(
      'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    )
    await sleep(200)
    const stoppedAt = performance.now()
    expect(await app.stop()).toMatchObject({ code: 1 })
    expect(performance.now() - stoppedAt).toBeLessThan(5000)
    expect(app.event('shutdown_grace_exceeded')).toMatchObject({ level: 'warn', graceMs: 1000 })
    expect(await home.postgresIsGone()).toBe(true)
    slow.destroy()
  })

  // In the middle of initdb, of the server's start, of the migrations: wherever that falls on this machine.
  it.each([300, 900, 1500])('%i ms after the first start leaves nothing running', async (delayMs) => {
    const app = home.start()
    await sleep(delayMs)
    const { code, signal, stderr } = await app.stop()
    expect(stderr).toBe('')
    // Before it can listen for signals the signal itself ends it.
    expect(signal ?? code).toBe(signal === null ? 0 : 'SIGTERM')
    expect(await home.postgresIsGone()).toBe(true)

    const again = home.start()
    await HttpUser.register(await again.ready())
  })
})

describe('Ctrl-C', () => {
  it('that arrives several times, as npm and a terminal pass it on, is one orderly stop', async () => {
    simulator.set({ latencyMs: 500 })
    const app = home.start(modelEnv())
    const user = await HttpUser.register(await app.ready())
    const waiting = user.run({ task: 'Say hello.' })
    await simulator.received(1)
    app.kill('SIGINT')
    await sleep(20)
    app.kill('SIGINT')
    app.kill('SIGTERM')
    expect((await waiting).status).toBe(200)
    expect(await app.exit()).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(await home.postgresIsGone()).toBe(true)
  })

  it('once more after a second ends it at once', async () => {
    simulator.set({ hang: 'before-headers' })
    const app = home.start({ SHUTDOWN_GRACE_MS: '60000' })
    const url = new URL(await app.ready())
    const slow = connect(Number(url.port), url.hostname)
    slow.on('error', () => undefined)
    slow.write(
      'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    )
    await sleep(200)
    app.kill('SIGINT')
    await sleep(1200)
    expect(app.isRunning).toBe(true)
    expect(await app.stop('SIGINT')).toMatchObject({ code: 130 })
    slow.destroy()
  })
})
