import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

function preview(payload: object, by: Pick<TestUser, 'request'> = owner): Promise<LightMyRequestResponse> {
  return by.request({ method: 'POST', url: '/v1/schedules/preview', payload })
}

describe('the preview of a pattern', () => {
  it('tells the due times after a moment', async () => {
    const response = await preview({ cron: '30 2 * * *', from: '2026-05-01T02:30:00Z', count: 2 })
    expect([response.statusCode, response.json()]).toEqual([
      200,
      { data: ['2026-05-02T02:30:00.000Z', '2026-05-03T02:30:00.000Z'] },
    ])
  })

  it('reads the pattern in its zone, through the change of summer time', async () => {
    const from = '2026-03-28T00:00:00+01:00'
    const { data } = (await preview({ cron: '30 2 * * *', timezone: 'europe/berlin', from, count: 3 })).json()
    expect(data).toEqual(['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
  })

  it('tells ten from now on where nothing else is said', async () => {
    const { data } = (await preview({ cron: '@hourly' })).json()
    expect(data).toHaveLength(10)
    expect(Date.parse(data[0])).toBeGreaterThan(Date.now() - 60_000)
    expect(Date.parse(data[0])).toBeLessThan(Date.now() + 3_660_000)
  })

  it('does not mind how dense a pattern is', async () => {
    const { data } = (await preview({ cron: '* * * * * *', from: '2026-05-01T00:00:00Z', count: 100 })).json()
    expect([data.length, data[0], data[99]]).toEqual([100, '2026-05-01T00:00:01.000Z', '2026-05-01T00:01:40.000Z'])
  })

  it.each<[string, object, string[]]>([
    ['no pattern', {}, ['/cron']],
    ['a malformed pattern', { cron: 'x' }, ['/cron']],
    ['a pattern that never fires', { cron: '0 0 31 4 *' }, ['/cron']],
    ['an unknown zone', { cron: '@daily', timezone: 'Mars/Olympus' }, ['/timezone']],
    ['a moment that is none', { cron: '@daily', from: 'now' }, ['/from']],
    ['a moment that nobody can write', { cron: '@daily', from: '9999-06-01T00:00:00Z' }, ['/from']],
    ['no times', { cron: '@daily', count: 0 }, ['/count']],
    ['more than a hundred', { cron: '@daily', count: 101 }, ['/count']],
    ['an interval', { everySeconds: 60 }, ['/cron', '/everySeconds']],
  ])('is refused for %s', async (_, payload, pointers) => {
    expectProblem(await preview(payload), { status: 400, code: 'validation_failed', pointers })
  })

  it('is for all who may read schedules', async () => {
    expect((await preview({ cron: '@daily' }, await Colleague.join(app, owner, 'viewer'))).statusCode).toBe(200)
    const key = await TestApiKey.create(app, owner, { scopes: ['schedules:write'] })
    expectProblem(await preview({ cron: '@daily' }, key), { status: 403, code: 'forbidden' })
  })
})
