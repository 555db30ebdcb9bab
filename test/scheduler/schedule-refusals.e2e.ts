import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { add as addProject } from '../projects/project.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, patch, post, show, YEARLY } from './schedule.js'

let app: TestApp
let owner: TestUser
let id: string

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
  const other = await TestUser.register(app)
  await addProject(other, { name: 'theirs' })
  id = (await add(owner)).id
})
afterAll(async () => app[Symbol.asyncDispose]())

/** What is wrong, and where a client is told so: with a creation and with a change alike. */
const WRONG: [string, object, string[]][] = [
  ['an unknown zone', { cron: YEARLY, timezone: 'Europe/Atlantis' }, ['/timezone']],
  ['an offset for a zone', { cron: YEARLY, timezone: '+02:00' }, ['/timezone']],
  ['a malformed pattern', { cron: 'every day' }, ['/cron']],
  ['a pattern with too large a minute', { cron: '60 * * * *' }, ['/cron']],
  ['a pattern that never fires', { cron: '0 0 30 2 *' }, ['/cron']],
  ['a pattern too dense', { cron: '*/5 * * * * *' }, ['/cron']],
  ['a pattern too long', { cron: '*'.repeat(101) }, ['/cron']],
  ['an interval below the minimum', { everySeconds: 9 }, ['/everySeconds']],
  ['an interval of part of a second', { everySeconds: 10.5 }, ['/everySeconds']],
  ['an interval beyond ten years', { everySeconds: 1_000_000_000 }, ['/everySeconds']],
  ['a time in the past', { runAt: '2020-01-01T00:00:00Z' }, ['/runAt']],
  ['a time that nobody can write', { runAt: '9999-01-01T00:00:00Z' }, ['/runAt']],
  ['a time without a zone', { runAt: '2099-01-01T00:00:00' }, ['/runAt']],
  ['an end in the past', { cron: YEARLY, endsAt: '2020-01-01T00:00:00Z' }, ['/endsAt']],
  ['two kinds of time', { cron: YEARLY, everySeconds: 60 }, ['/cron', '/everySeconds']],
  [
    'three kinds of time',
    { cron: YEARLY, everySeconds: 60, runAt: '2099-01-01T00:00:00Z' },
    ['/cron', '/everySeconds', '/runAt'],
  ],
  ['an unknown agent', { cron: YEARLY, agent: 'nobody' }, ['/agent']],
  ['an unknown project', { cron: YEARLY, project: 'nowhere' }, ['/project']],
  ["another tenant's project", { cron: YEARLY, project: 'theirs' }, ['/project']],
  ['an unknown model', { cron: YEARLY, input: { model: 'nobody/nothing' } }, ['/input/model']],
  ['a malformed model', { cron: YEARLY, input: { model: 'nothing' } }, ['/input/model']],
  ['an unknown field of the run', { cron: YEARLY, input: { task: 'Other.' } }, ['/input/task']],
  ['an unknown field', { cron: YEARLY, colour: 'red' }, ['/colour']],
  ['a blank name', { cron: YEARLY, name: '  ' }, ['/name']],
  ['a name too long', { cron: YEARLY, name: 'x'.repeat(201) }, ['/name']],
  ['a name that cannot be stored', { cron: YEARLY, name: 'a\0b' }, ['/name']],
  ['a blank task', { cron: YEARLY, task: ' ' }, ['/task']],
  ['a task too long', { cron: YEARLY, task: 'x'.repeat(5001) }, ['/task']],
  ['an unknown overlap', { cron: YEARLY, overlap: 'stack' }, ['/overlap']],
  ['a catch-up below 0', { cron: YEARLY, catchUpSeconds: -1 }, ['/catchUpSeconds']],
  ['a catch-up beyond a week', { cron: YEARLY, catchUpSeconds: 604_801 }, ['/catchUpSeconds']],
  ['a jitter below 0', { cron: YEARLY, jitterSeconds: -1 }, ['/jitterSeconds']],
  ['a jitter beyond an hour', { cron: YEARLY, jitterSeconds: 3601 }, ['/jitterSeconds']],
  ['no executions', { cron: YEARLY, maxExecutions: 0 }, ['/maxExecutions']],
  ['too many executions', { cron: YEARLY, maxExecutions: 1_000_000_001 }, ['/maxExecutions']],
  ['no failures', { cron: YEARLY, pauseAfterFailures: 0 }, ['/pauseAfterFailures']],
  ['too many failures', { cron: YEARLY, pauseAfterFailures: 1001 }, ['/pauseAfterFailures']],
]

describe('a schedule', () => {
  it.each(WRONG)('is refused with %s', async (_, payload, pointers) => {
    expectProblem(await post(owner, payload), { status: 400, code: 'validation_failed', pointers })
    expectProblem(await patch(owner, id, payload), { status: 400, code: 'validation_failed', pointers })
  })

  it('is refused without any time', async () => {
    const pointers = ['/cron', '/everySeconds', '/runAt']
    expectProblem(await post(owner, {}), { status: 400, code: 'validation_failed', pointers })
    expectProblem(await post(owner, { cron: null }), { status: 400, code: 'validation_failed', pointers })
    expectProblem(await patch(owner, id, { cron: null }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/cron'],
    })
    expect((await patch(owner, id, { everySeconds: null })).statusCode).toBe(200)
  })

  it('is refused with an end before its first time', async () => {
    const endsAt = new Date(Date.now() + 60_000).toISOString()
    for (const payload of [
      { cron: YEARLY, endsAt },
      { everySeconds: 3600, endsAt },
      { runAt: '2099-01-01T00:00:00Z', endsAt },
    ]) {
      expectProblem(await post(owner, payload), { status: 400, code: 'validation_failed', pointers: ['/endsAt'] })
    }
    expectProblem(await patch(owner, id, { endsAt }), { status: 400, code: 'validation_failed', pointers: ['/endsAt'] })
    expect((await post(owner, { everySeconds: 30, endsAt })).statusCode).toBe(201)
  })

  it('is refused with as many executions as it has had', async () => {
    const { id: used } = await add(owner)
    await app.sql('UPDATE scheduled_tasks SET executions = 3 WHERE id = $1', [used])
    const expected = { status: 400, code: 'validation_failed', pointers: ['/maxExecutions'] }
    expectProblem(await patch(owner, used, { maxExecutions: 3 }), expected)
    expect((await patch(owner, used, { maxExecutions: 4 })).statusCode).toBe(200)
  })

  it('is told of all that is wrong with it at once', async () => {
    const form = { name: '', cron: YEARLY, everySeconds: 0, timezone: 'Mars/Olympus', jitterSeconds: -1 }
    expectProblem(await post(owner, form), {
      status: 400,
      code: 'validation_failed',
      pointers: expect.arrayContaining(['/name', '/everySeconds', '/timezone', '/jitterSeconds', '/cron']) as never,
    })
    const sense = { cron: '* * * * * *', agent: 'nobody', project: 'nowhere', endsAt: '2020-01-01T00:00:00Z' }
    for (const answer of [await post(owner, sense), await patch(owner, id, sense)]) {
      const pointers = ['/agent', '/project', '/cron', '/endsAt']
      expectProblem(answer, { status: 400, code: 'validation_failed', pointers })
    }
  })

  it('is as it was after all of that', async () => {
    expect(await show(owner, id)).toMatchObject({ cron: YEARLY, everySeconds: null, runAt: null, endsAt: null })
  })

  it('keeps what was allowed once until somebody gives it other times', async () => {
    const { id: old } = await add(owner, { everySeconds: 3600 })
    await app.sql('UPDATE scheduled_tasks SET every_seconds = 5 WHERE id = $1', [old])
    expect((await patch(owner, old, { name: 'Dense', everySeconds: 5 })).statusCode).toBe(200)
    expectProblem(await patch(owner, old, { everySeconds: 6 }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/everySeconds'],
    })
  })
})
