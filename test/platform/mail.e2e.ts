import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Database } from '#platform/database/database.js'
import type { Mail } from '#platform/mail/mail.js'
import { Mailer } from '#platform/mail/mailer.js'
import { Mailbox, type MailboxOptions } from '../support/mailbox.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase } from '../support/test-database.js'

const LINK = 'https://app.example.com/accept-invitation#token=tni_SECRET'
const FROM = 'TempoNest <no-reply@mail.example.com>'
let addresses = 0

const newAddress = (): string => `person-${++addresses}@example.com`
const invitation = (to: string, names: { tenantName?: string; inviterName?: string } = {}): Mail => ({
  to,
  template: 'invitation',
  data: { tenantName: 'Team', inviterName: 'Ann', link: LINK, expiresAt: '2030-01-01T00:00:00.000Z', ...names },
})
const startApp = (mailbox: Mailbox): Promise<TestApp> =>
  TestApp.start({ env: { SMTP_URL: mailbox.url, MAIL_FROM: FROM } })
const send = (app: TestApp, mail: Mail): Promise<void> =>
  app.nest.get(Database).transaction({}, (tx) => app.nest.get(Mailer).enqueue(mail, tx))
const jobs = (app: TestApp) =>
  app.sql(`SELECT state, retry_count, data::text AS data, output::text AS output FROM pgboss.job WHERE name = 'mails'`)

async function countOf(app: TestApp, result: string): Promise<number> {
  const { body } = await app.inject({ url: '/metrics' })
  return Number(new RegExp(`^temponest_mails_total\\{result="${result}"\\} (\\d+)`, 'm').exec(body)?.[1] ?? 0)
}

describe('a mail', () => {
  let app: TestApp
  let mailbox: Mailbox

  beforeAll(async () => {
    mailbox = await Mailbox.start()
    app = await startApp(mailbox)
  })
  beforeEach(async () => {
    await app.sql(`DELETE FROM pgboss.job WHERE name = 'mails' AND state > 'active'`)
  })
  afterAll(async () => {
    await app[Symbol.asyncDispose]()
    await mailbox[Symbol.asyncDispose]()
  })

  it('goes to its one address, in text and HTML, marked as written by a machine', async () => {
    const to = newAddress()
    await send(app, invitation(to))
    const mail = await mailbox.receive(to)
    expect(mail).toMatchObject({ from: 'no-reply@mail.example.com', to: [to], subject: 'Ann invites you to Team' })
    expect(mail.text).toContain(LINK)
    expect(mail.html).toContain(`<a href="${LINK}">`)
    expect(Object.fromEntries(mail.headers)).toMatchObject({
      from: [FROM],
      to: [to],
      'auto-submitted': ['auto-generated'],
      'message-id': [expect.stringMatching(/^<[0-9a-f-]{36}@mail\.example\.com>$/)],
    })
  })

  it('is not sent when the transaction that asked for it fails', async () => {
    const [failed, sent] = [newAddress(), newAddress()]
    const database = app.nest.get(Database)
    await expect(
      database.transaction({}, async (tx) => {
        await app.nest.get(Mailer).enqueue(invitation(failed), tx)
        throw new Error('the write failed')
      }),
    ).rejects.toThrow('the write failed')
    await send(app, invitation(sent))
    await mailbox.receive(sent)
    expect(mailbox.to(failed)).toEqual([])
  })

  it('cannot be given another header or receiver by the names in it', async () => {
    const to = newAddress()
    const evil = 'Team\r\nBcc: victim@example.com\r\n\r\n<b>Body</b>'
    await send(app, invitation(to, { tenantName: evil, inviterName: 'Zoë\nReply-To: x@evil.example' }))
    const mail = await mailbox.receive(to)
    expect(mail.to).toEqual([to])
    expect([...mail.headers.keys()]).not.toEqual(expect.arrayContaining(['bcc']))
    expect([...mail.headers.keys()]).not.toEqual(expect.arrayContaining(['reply-to']))
    expect(mail.subject).toBe('Zoë Reply-To: x@evil.example invites you to Team Bcc: victim@example.com <b>Body</b>')
    expect(mail.html).toContain('&lt;b&gt;Body&lt;/b&gt;')
    expect(mail.html).not.toContain('<b>')
  })

  it.each([
    'a@example.com, b@example.com',
    'a@example.com\r\nBcc: b@example.com',
    'a@example.com>, <b@example.com',
    'Name <a@example.com>',
    'group: a@example.com, b@example.com;',
  ])('is refused for %j, which is not one address', async (to) => {
    await expect(send(app, invitation(to))).rejects.toThrow('exactly one address')
    expect(await jobs(app)).toEqual([])
  })

  it('is sent once, and later, when the server is gone for a while; until then nobody can read it', async () => {
    const [to, retried] = [newAddress(), await countOf(app, 'retried')]
    await mailbox.stop()
    await send(app, invitation(to, { inviterName: 'Carla' }))
    await mailbox.until(async () => (await countOf(app, 'retried')) > retried, 'a failed attempt')
    const [job] = await jobs(app)
    expect(job).toMatchObject({ state: 'retry' })
    for (const secret of ['tni_SECRET', 'Carla', to]) expect(JSON.stringify(job)).not.toContain(secret)
    await mailbox.resume()
    await mailbox.receive(to)
    await mailbox.until(async () => (await jobs(app))[0]?.['state'] === 'completed', 'the job is done')
    expect(mailbox.to(to)).toHaveLength(1)
  })

  it('is tried again on a new connection when the server says nothing', async () => {
    const to = newAddress()
    const { connections } = mailbox
    mailbox.isSilent = true
    await send(app, invitation(to))
    await mailbox.until(() => mailbox.connections > connections, 'a connection')
    mailbox.isSilent = false
    await mailbox.receive(to)
    expect(mailbox.connections).toBe(connections + 2)
  })

  it('is tried again when the server does not want it now, and not when it never will', async () => {
    const [later, never] = [newAddress(), newAddress()]
    const [retried, refused] = [await countOf(app, 'retried'), await countOf(app, 'refused')]
    mailbox.refusals.set(later, 451).set(never, 550)
    await Promise.all([send(app, invitation(later)), send(app, invitation(never))])
    await mailbox.until(async () => (await countOf(app, 'retried')) > retried, 'a failed attempt')
    mailbox.refusals.delete(later)
    await mailbox.receive(later)
    await mailbox.until(async () => (await jobs(app)).every(({ state }) => state === 'completed'), 'both are done')
    expect(await countOf(app, 'refused')).toBe(refused + 1)
    expect(mailbox.to(never)).toEqual([])
  })

  it('is given up after the last attempt, and counted', async () => {
    const [to, retried, failed] = [newAddress(), await countOf(app, 'retried'), await countOf(app, 'failed')]
    mailbox.refusals.set(to, 451)
    await send(app, invitation(to))
    await mailbox.until(async () => (await countOf(app, 'retried')) > retried, 'a failed attempt')
    // As if it had been tried all night.
    await mailbox.until(async () => {
      await app.sql(
        `UPDATE pgboss.job SET retry_count = retry_limit - 1, start_after = now() WHERE name = 'mails' AND state = 'retry'`,
      )
      return (await countOf(app, 'failed')) > failed
    }, 'the last attempt')
    await mailbox.until(async () => (await jobs(app))[0]?.['state'] === 'failed', 'the job is over')
    expect(mailbox.to(to)).toEqual([])
  })
})

describe('the server of the mails', () => {
  const credentials = { user: 'temponest@example.com', pass: 'p@ss:w/rd %41' }

  it.each<[string, MailboxOptions, object]>([
    ['without a password', {}, { secure: false, user: undefined }],
    ['with one', { auth: credentials, tls: 'starttls' }, { secure: true, user: credentials.user }],
    ['with one, over TLS', { auth: credentials, tls: 'smtps' }, { secure: true, user: credentials.user }],
  ])('is reached %s', async (_, options, expected) => {
    await using mailbox = await Mailbox.start(options)
    await using app = await startApp(mailbox)
    const to = newAddress()
    await send(app, invitation(to))
    expect(await mailbox.receive(to)).toMatchObject(expected)
  })

  it('that hangs does not lose the mail of a replica that stops: the next one sends it', async () => {
    await using mailbox = await Mailbox.start()
    await using database = await createTestDatabase()
    const env = { SMTP_URL: mailbox.url }
    const to = newAddress()
    {
      await using first = await TestApp.start({ env, database })
      mailbox.isSilent = true
      await send(first, invitation(to))
      await mailbox.until(() => mailbox.connections === 1, 'a connection')
    }
    mailbox.isSilent = false
    await using _second = await TestApp.start({ env, database })
    await mailbox.receive(to)
    expect(mailbox.connections).toBe(2)
  })

  it('is missing: no mail is asked for, and none waits', async () => {
    await using app = await TestApp.start()
    expect(app.nest.get(Mailer).isConfigured).toBe(false)
    await send(app, invitation(newAddress()))
    expect(await jobs(app)).toEqual([])
  })
})
