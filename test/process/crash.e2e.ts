import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppHome } from '../support/app-process.js'
import { HttpUser, type RunAnswer } from '../support/http-user.js'
import { ModelSimulator } from '../support/model-simulator.js'

jest.setTimeout(60_000)
/** From the restart on: the lease of 10 s, the sweep of 2 s, and some air. */
const RECOVERY_LIMIT_MS = 15_000

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

function modelEnv(): Record<string, string> {
  return { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' }
}

/** An app that is at a run which its model will not answer. */
async function startWithRun(env = modelEnv()) {
  const app = home.start(env)
  const user = await HttpUser.register(await app.ready())
  simulator.next({ hang: 'before-headers' })
  const { id } = (await (await user.run({ task: 'Survive.' }, { prefer: 'respond-async' })).json()) as RunAnswer
  await simulator.received(1)
  return { app, user, id }
}

describe('kill -9 during a run', () => {
  it('leaves a run that ends by itself after a restart, on the PostgreSQL that was left behind', async () => {
    const { app, user, id } = await startWithRun()
    const [postgres] = home.postgresPids()
    expect(await app.stop('SIGKILL')).toMatchObject({ code: null, signal: 'SIGKILL' })
    expect(home.postgresPids()).toEqual([postgres])

    const again = home.start(modelEnv())
    const restarted = await HttpUser.login(await again.ready(), user.email)
    expect(await restarted.whenFinished(id, RECOVERY_LIMIT_MS)).toMatchObject({
      status: 'completed',
      attempt: 2,
      output: { text: 'Simulated answer to: Survive.' },
    })
    expect(home.postgresPids()).toEqual([postgres])
    expect(await again.stop()).toMatchObject({ code: 0, stderr: '' })
    expect(await home.postgresIsGone()).toBe(true)
  })

  it('and of PostgreSQL, as when the power fails, loses nothing that was answered', async () => {
    const env = { ...modelEnv(), RUN_LEASE_MS: '2000' }
    const { app, user, id } = await startWithRun(env)
    await app.stop('SIGKILL')
    for (const pid of home.postgresPids()) process.kill(pid, 'SIGKILL')
    expect(await home.postgresIsGone(5000)).toBe(true)

    const restarted = await HttpUser.login(await home.start(env).ready(), user.email)
    expect(await restarted.whenFinished(id, 8000)).toMatchObject({ status: 'completed', attempt: 2 })
  })
})

describe('kill -9', () => {
  it('and an immediate restart, again and again, is ready each time', async () => {
    let app = home.start()
    const { email } = await HttpUser.register(await app.ready())
    for (let count = 0; count < 4; count += 1) {
      app.kill('SIGKILL')
      // Not even waited for: the next one may find the database's lock still held.
      app = home.start()
      const url = await app.ready()
      await HttpUser.login(url, email)
    }
    expect(home.postgresPids()).toHaveLength(1)
  })

  it.each([400, 900, 1400])('%i ms into the first start does not spoil the next one', async (delayMs) => {
    const app = home.start()
    await sleep(delayMs)
    await app.stop('SIGKILL')
    await HttpUser.register(await home.start().ready())
    expect(home.postgresPids()).toHaveLength(1)
  })
})

describe('a postmaster.pid that a crash has left', () => {
  it('is not believed when its number is that of another program by now, which is left alone', async () => {
    const first = home.start()
    const { email } = await HttpUser.register(await first.ready())
    await first.stop('SIGKILL')
    for (const pid of home.postgresPids()) process.kill(pid, 'SIGKILL')
    expect(await home.postgresIsGone(5000)).toBe(true)
    const file = join(home.dataDir, 'postgres', 'data', 'postmaster.pid')
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^\d+/, `${process.pid}`))

    const second = home.start()
    await HttpUser.login(await second.ready(), email)
    expect(await second.stop()).toMatchObject({ code: 0, stderr: '' })
    expect(await home.postgresIsGone()).toBe(true)
  })
})
