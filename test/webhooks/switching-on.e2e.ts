import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { add, patch, sendTest, show } from './endpoint.js'

const FAILING = {
  circuit: 'open',
  consecutiveFailures: 12,
  failingSince: '2026-01-01T00:00:00.000Z',
  lastSuccessAt: '2025-12-31T00:00:00.000Z',
  lastFailureAt: '2026-01-02T00:00:00.000Z',
  pausedUntil: '2126-01-01T00:00:00.000Z',
}
/** What has been goes on record; what holds it up does not go on. */
const FORGIVEN = { ...FAILING, circuit: 'closed', consecutiveFailures: 0, failingSince: null, pausedUntil: null }

let app: TestApp
let owner: TestUser
let id: string

beforeAll(async () => {
  app = await TestApp.start()
  // A dispatcher may change it again at once: what counts is how it was written.
  await app.sql(`
    CREATE TABLE health_writes (number serial, webhook_id uuid, is_recovering boolean, circuit_level integer);
    CREATE FUNCTION note_health() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO health_writes (webhook_id, is_recovering, circuit_level)
      VALUES (NEW.webhook_id, NEW.is_recovering, NEW.circuit_level);
      RETURN NULL;
    END $$;
    CREATE TRIGGER note_health AFTER UPDATE ON webhook_health FOR EACH ROW EXECUTE FUNCTION note_health()`)
})
beforeEach(async () => {
  owner = await TestUser.register(app)
  id = (await add(owner)).id
})
afterAll(async () => app[Symbol.asyncDispose]())

/** As the dispatcher leaves one that fails. */
async function fail(): Promise<void> {
  await app.sql(
    `UPDATE webhook_health SET circuit_level = 3, consecutive_failures = 12, failing_since = $2, last_success_at = $3,
       last_failure_at = $4, paused_until = $5 WHERE webhook_id = $1`,
    [id, FAILING.failingSince, FAILING.lastSuccessAt, FAILING.lastFailureAt, FAILING.pausedUntil],
  )
}

async function disable(): Promise<void> {
  await app.sql(
    `UPDATE webhooks SET is_active = false, disabled_reason = 'failing', disabled_at = '2026-01-03' WHERE id = $1`,
    [id],
  )
}

/** One delivery that waits for a retry. */
async function leaveWaiting(): Promise<void> {
  const message = `msg_${newId()}`
  await app.sql(`INSERT INTO webhook_messages VALUES ($1, $2, 'run.completed', '{}', now())`, [owner.tenantId, message])
  await app.sql(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at)
     VALUES ($1, $2, $3, $4, 'run.completed', 'retrying', now() + interval '1 day', now())`,
    [owner.tenantId, newId(), id, message],
  )
}

/** What the next write of its health after `work` says. */
async function healthWritten(work: () => Promise<unknown>): Promise<Record<string, unknown> | undefined> {
  await app.sql('DELETE FROM health_writes WHERE webhook_id = $1', [id])
  await work()
  const [first] = await app.sql(
    'SELECT is_recovering, circuit_level FROM health_writes WHERE webhook_id = $1 ORDER BY number LIMIT 1',
    [id],
  )
  return first
}

describe('a webhook that was switched off by itself', () => {
  it('says why and since when, and how it has failed', async () => {
    await fail()
    await disable()
    expect(await show(owner, id)).toMatchObject({
      active: false,
      disabledReason: 'failing',
      disabledAt: expect.stringMatching(/^2026-01-0/),
      health: FAILING,
    })
  })

  it('is as new once it is switched on, and what waits goes at once', async () => {
    await fail()
    await disable()
    await leaveWaiting()
    const written = await healthWritten(async () => {
      expect((await patch(owner, id, { active: true })).json()).toMatchObject({
        active: true,
        disabledReason: null,
        disabledAt: null,
        health: FORGIVEN,
      })
    })
    expect(written).toEqual({ is_recovering: true, circuit_level: 0 })
  })

  it('has nothing to catch up with where nothing waits', async () => {
    await fail()
    await disable()
    const written = await healthWritten(() => patch(owner, id, { active: true }))
    expect(written).toEqual({ is_recovering: false, circuit_level: 0 })
  })

  it('stays off, and says why, while other things are changed', async () => {
    await fail()
    await disable()
    const url = 'https://elsewhere.invalid/'
    expect((await patch(owner, id, { url, active: false })).json()).toMatchObject({
      url,
      active: false,
      disabledReason: 'failing',
      health: FAILING,
    })
  })
})

describe('a webhook that fails', () => {
  it('is as new with a new URL, since another receiver is there', async () => {
    await fail()
    const answer = await patch(owner, id, { url: 'https://elsewhere.invalid/' })
    expect(answer.json()).toMatchObject({ active: true, health: FORGIVEN })
  })

  it('is left alone for as long as before when nothing of that is changed', async () => {
    await fail()
    const answer = await patch(owner, id, { description: 'x', maxPerSecond: 3, events: ['run.*'], active: true })
    expect(answer.json().health).toEqual(FAILING)
  })

  it('shows a pause only until it is over', async () => {
    await fail()
    await app.sql(`UPDATE webhook_health SET paused_until = now() - interval '1 s' WHERE webhook_id = $1`, [id])
    expect((await show(owner, id)).health).toEqual({ ...FAILING, pausedUntil: null })
  })
})

describe('who delivers', () => {
  it.each([
    ['a webhook is switched on', { active: false }, () => patch(owner, id, { active: true })],
    ['a webhook may be told more a second', { maxPerSecond: 1 }, () => patch(owner, id, { maxPerSecond: 100 })],
    ['a test is asked for', {}, () => sendTest(owner, id)],
  ])('is woken when %s', async (_, payload, act) => {
    await patch(owner, id, payload)
    await withClient(app.database.url, async (client) => {
      await client.query('LISTEN webhook_deliveries')
      const rung = once(client, 'notification')
      expect((await act()).statusCode).toBeLessThan(300)
      expect((await rung)[0]).toMatchObject({ channel: 'webhook_deliveries', payload: owner.tenantId })
    })
  })
})
