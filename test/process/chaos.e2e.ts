import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppHome } from '../support/app-process.js'
import { KINDS, playModel } from '../support/chaos/chaos-agents.js'
import { ChaosUser } from '../support/chaos/chaos-user.js'
import { JournalWatch, type Mark } from '../support/chaos/journal-watch.js'
import { Replicas } from '../support/chaos/replicas.js'
import { ToolServer } from '../support/chaos/tool-server.js'
import { Verdict } from '../support/chaos/verdict.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'

/** For what hangs: on a busy machine the starts of fifty processes take minutes. */
jest.setTimeout(600_000)

const POLL_MS = 30
const HOLD_LIMIT_MS = 20_000
const FINISH_LIMIT_MS = 90_000
const RUNS = 200
const KILLS = 50
const TENANTS = 4
/** Places of the processes that start while two are at work: a start takes longer than a kill. */
const SPARES = [2, 3]
const MAX_PAUSE_MS = 300
/** Longer than a process stands still on a busy machine: here a lease may end by a kill alone. */
const UNBROKEN_LEASE_MS = 4000
const HANDED_OVER = 10
const HAND_OVER_LIMIT_MS = 2000
const TOOL_LATENCY_MS = 150

let simulator: ModelSimulator
let tools: ToolServer
let database: TestDatabase
let home: AppHome
let watch: JournalWatch | undefined
let killedAt: number[]

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  tools = await ToolServer.start(TOOL_LATENCY_MS)
})
afterAll(async () => {
  await tools?.[Symbol.asyncDispose]()
  await simulator?.stop()
})
beforeEach(async () => {
  database = await createTestDatabase()
  home = await AppHome.create()
  killedAt = []
  playModel(simulator, tools.host)
})
afterEach(async () => {
  await home[Symbol.asyncDispose]()
  await watch?.[Symbol.asyncDispose]()
  watch = undefined
  await database[Symbol.asyncDispose]()
  simulator.reset()
  tools.calls.length = 0
})

/** Two replicas, the first of which runs. */
async function startFirst(settings: Record<string, string> = {}): Promise<{ replicas: Replicas; watch: JournalWatch }> {
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
    OPENAI_BASE_URL: simulator.baseUrl,
    OPENAI_API_KEY: 'test',
    DEFAULT_MODEL: 'openai/gpt-4o-mini',
    OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32',
    RUN_LEASE_MS: '1000',
    RUN_MAX_ATTEMPTS: '20',
    ...settings,
  }
  const replicas = new Replicas(home, env)
  await replicas.start(0)
  watch = await JournalWatch.install(database.url)
  return { replicas, watch }
}

async function until(isMet: () => Promise<boolean>, limitMs: number, describeState: () => Promise<unknown>) {
  const deadline = Date.now() + limitMs
  while (!(await isMet())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(await describeState(), null, 1)}`)
    await sleep(POLL_MS)
  }
}

async function kill(replicas: Replicas, slot: number): Promise<void> {
  killedAt.push(Date.now())
  await replicas.stop(slot, 'SIGKILL')
}

const unfinished = (journal: JournalWatch) =>
  journal.query(
    `SELECT id, status, attempt, fencing_number, queued_since, lease_expires_at, error_code FROM runs WHERE finished_at IS NULL`,
  )

const failures = (journal: JournalWatch) =>
  journal.query(`SELECT id, task, status, error_code, error_detail FROM runs WHERE status <> 'completed'`)

/** People who decide about whatever asks them, until `work` is done. */
async function whileDeciding<T>(users: readonly ChaosUser[], work: () => Promise<T>): Promise<T> {
  const done = new AbortController()
  const people = users.map(async (user) => {
    while (!done.signal.aborted) {
      await user.decideAll()
      await sleep(POLL_MS * 3)
    }
  })
  // Whoever fails first is heard: a person whose request hangs is not waited for.
  const decided = Promise.all(people)
  const result = await Promise.race([
    work(),
    decided.then(() => Promise.reject(new Error('nobody decides any more'))),
  ]).finally(() => done.abort())
  await decided
  return result
}

async function whenAllFinished(journal: JournalWatch): Promise<void> {
  const look = () => unfinished(journal)
  await until(async () => (await look()).length === 0, FINISH_LIMIT_MS, look)
}

/** What must be true of every run once all are finished, whatever was killed when. */
async function expectNothingLostOrRepeated(journal: JournalWatch): Promise<void> {
  const verdict = await Verdict.of(journal, { requests: simulator.requests, calls: tools.calls, killedAt })
  expect(await failures(journal)).toEqual([])
  expect(verdict.stepsNotEndedOnce()).toEqual([])
  expect(verdict.repeatedModelCalls()).toEqual([])
  expect(await verdict.repeatedToolCalls()).toEqual([])
  expect(verdict.unexplainedRequests()).toEqual([])
  expect(await verdict.usageBooked()).toEqual(verdict.usageTold())
  expect(await verdict.wronglyEstimated()).toEqual([])
  expect(await verdict.runsWithOtherTotals()).toEqual([])
  expect(await verdict.runsWithWrongLogs()).toEqual([])
}

function pick<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new Error('there is nothing to pick')
  return item
}

/** One name for each commit of a run, in their order; text is stored in many, which are all alike. */
function boundariesOf(marks: readonly Mark[]): string[] {
  const names = new Set<string>()
  for (const commit of Map.groupBy(marks, ({ tx }) => tx).values()) {
    const name = commit.map((mark) => mark.name).find((candidate) => !names.has(candidate))
    if (name !== undefined) names.add(name)
  }
  return [...names]
}

/** All at once, but for claims: a process makes one at a time, and while that waits nothing else begins. */
function roundsOf(boundaries: readonly string[]): string[][] {
  const claims = boundaries.filter((name) => name.includes(' claimed '))
  return [boundaries.filter((name) => !claims.includes(name)), ...claims.map((claim) => [claim])]
}

describe('kill -9 at every step boundary', () => {
  // A run of each boundary, in a tenant of its own so that none waits for another's locks, all stopped before one process dies.
  const settings = {
    DATABASE_POOL_SIZE: '10',
    DATABASE_WORKER_POOL_SIZE: '40',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
  }

  it.each([
    ['just before its commit', 'rollBack'],
    ['just after its commit, before the worker hears of it', 'letCommit'],
  ] as const)('%s', async (_, fate) => {
    const { replicas, watch: journal } = await startFirst(settings)
    const scout = await ChaosUser.register(replicas, tools.host)
    await whileDeciding([scout], async () => {
      await scout.start('whole', { requireApproval: true })
      await whenAllFinished(journal)
    })
    const boundaries = boundariesOf(await journal.marks())
    expect(boundaries).toEqual(expect.arrayContaining(BOUNDARIES))

    for (const round of roundsOf(boundaries)) {
      const users = await Promise.all(round.map(() => ChaosUser.register(replicas, tools.host)))
      await journal.hold()
      await whileDeciding(users, async () => {
        const started = Promise.all(
          users.map((user, index) => user.start('whole', { requireApproval: true, killAt: round[index] ?? '' })),
        )
        started.catch(() => undefined)
        let held: string[] = []
        const areHeld = async (): Promise<boolean> => (held = await journal.held()).length === round.length
        await until(areHeld, HOLD_LIMIT_MS, async () => round.filter((name) => !held.includes(name)))
        expect(held).toEqual([...round].sort())
        await Promise.all([kill(replicas, 0), kill(replicas, 1)])
        await journal[fate]()
        await Promise.all([replicas.start(0), replicas.start(1)])
        expect(new Set(await started).size).toBe(round.length)
        await whenAllFinished(journal)
      })
    }
    const [count] = await journal.query('SELECT count(*)::integer AS runs FROM runs WHERE parent_run_id IS NULL')
    expect(count).toEqual({ runs: boundaries.length + 1 })
    await expectNothingLostOrRepeated(journal)
  })
})

/** Some that must be among those of a whole run. */
const BOUNDARIES = [
  'run created',
  'run approval approved',
  'run tool.completed 3',
  'child claimed 1',
  'run text',
  'run completed',
]

describe('SIGTERM with runs in flight', () => {
  it('hands them over within 2 s for another to go on with, at the cost of no attempt and with what they have used', async () => {
    const { replicas, watch: journal } = await startFirst()
    const user = await ChaosUser.register(replicas, tools.host)
    const ids = await Promise.all(Array.from({ length: HANDED_OVER }, () => user.start('long')))
    await simulator.received(HANDED_OVER)
    await replicas.start(1)
    const stoppedAt = Date.now()
    await replicas.stop(0, 'SIGTERM')
    await whenAllFinished(journal)
    const marks = await journal.marks()
    const handedOver = marks.filter(({ name }) => name === 'run let go 1')
    const resumed = marks.filter(({ name }) => name === 'run claimed 2')
    expect(handedOver.map(({ runId }) => runId).sort()).toEqual([...ids].sort())
    expect(resumed.map(({ runId }) => runId).sort()).toEqual([...ids].sort())
    expect(Math.max(...handedOver.map(({ at }) => at)) - stoppedAt).toBeLessThan(HAND_OVER_LIMIT_MS)
    expect(Math.max(...resumed.map(({ at }) => at)) - stoppedAt).toBeLessThan(2 * HAND_OVER_LIMIT_MS)
    const runs = await journal.query<{ status: string; attempt: number; before: number }>(
      `SELECT status, attempt, (SELECT count(*)::integer FROM cost_tracking c WHERE c.run_id = r.id AND c.is_estimated
                                   AND c.input_tokens > 0 AND c.output_tokens > 0) AS before FROM runs r`,
    )
    expect(runs).toEqual(ids.map(() => ({ status: 'completed', attempt: 1, before: 1 })))
    expect(await (await Verdict.of(journal, { requests: [], calls: [], killedAt })).runsWithOtherTotals()).toEqual([])
  })
})

describe('kill -9 at random', () => {
  it(`${KILLS} times, over ${RUNS} runs on two processes, loses, sticks and repeats nothing`, async () => {
    const { replicas, watch: journal } = await startFirst({ RUN_LEASE_MS: String(UNBROKEN_LEASE_MS) })
    await replicas.start(1)
    const users = await Promise.all(Array.from({ length: TENANTS }, () => ChaosUser.register(replicas, tools.host)))
    const started: Promise<string>[] = []
    const startSome = (count: number): void => {
      for (let i = 0; i < count && started.length < RUNS; i++) {
        const kind = KINDS[started.length % KINDS.length] ?? 'plain'
        const user = users[started.length % users.length]
        if (user) started.push(user.start(kind))
      }
    }
    const ready = new Set([0, 1])
    /** Two are at work, others start meanwhile: whenever one more is ready, a random one dies at a random moment. */
    const haunt = async (spare: number): Promise<void> => {
      let slot = spare
      while (killedAt.length < KILLS) {
        startSome(RUNS / KILLS)
        await replicas.start(slot)
        ready.add(slot)
        await sleep(Math.random() * MAX_PAUSE_MS)
        if (killedAt.length === KILLS) return
        slot = pick([...ready])
        ready.delete(slot)
        await kill(replicas, slot)
      }
    }
    await whileDeciding(users, async () => {
      await Promise.all(SPARES.map(haunt))
      startSome(RUNS - started.length)
      expect(new Set(await Promise.all(started)).size).toBe(RUNS)
      await whenAllFinished(journal)
    })
    expect(killedAt).toHaveLength(KILLS)
    await expectNothingLostOrRepeated(journal)
  })
})
