import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { type ReceivedMail, readMail } from './received-mail.js'

const POLL_MS = 20
const WAIT_LIMIT_MS = 30_000

export interface MailboxOptions {
  /** Who may send; anyone when absent. */
  readonly auth?: { readonly user: string; readonly pass: string }
  /** `none`: plain SMTP; `starttls`: offered; `smtps`: from the start. With a certificate of the server's own making. */
  readonly tls?: 'none' | 'starttls' | 'smtps'
}

/** A real SMTP server that keeps what it is sent, and can be gone, silent or choosy. */
export class Mailbox implements AsyncDisposable {
  readonly mails: ReceivedMail[] = []
  /** Connections so far. */
  connections = 0
  /** Connections get no greeting and no answer. */
  isSilent = false
  /** Receivers that are refused, with the code of the refusal. */
  readonly refusals = new Map<string, number>()
  private server: SMTPServer | undefined
  private port = 0

  private constructor(private readonly options: MailboxOptions) {}

  static async start(options: MailboxOptions = {}): Promise<Mailbox> {
    const mailbox = new Mailbox(options)
    await mailbox.resume()
    return mailbox
  }

  /** For `SMTP_URL`. */
  get url(): string {
    const { auth, tls } = this.options
    const user = auth ? `${encodeURIComponent(auth.user)}:${encodeURIComponent(auth.pass)}@` : ''
    return `${tls === 'smtps' ? 'smtps' : 'smtp'}://${user}127.0.0.1:${this.port}`
  }

  to(address: string): ReceivedMail[] {
    return this.mails.filter(({ to }) => to.includes(address))
  }

  /** The `count`th mail to an address, as soon as it is there. */
  async receive(address: string, count = 1): Promise<ReceivedMail> {
    await this.until(() => this.to(address).length >= count, `mail ${count} to ${address}`)
    const mail = this.to(address)[count - 1]
    if (!mail) throw new Error('a mail that was there is gone')
    return mail
  }

  /** @throws Error when it has not come to that in time */
  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const deadline = Date.now() + WAIT_LIMIT_MS
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`it never came to this: ${what}`)
      await sleep(POLL_MS)
    }
  }

  /** Is gone: connections break, new ones are refused. */
  async stop(): Promise<void> {
    const { server } = this
    if (!server) return
    this.server = undefined
    for (const connection of server.connections) (connection as unknown as { close(): void }).close()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  /** Is back, on the same port. */
  async resume(): Promise<void> {
    const server = new SMTPServer(this.serverOptions())
    server.on('error', () => undefined)
    const listener = server.listen(this.port, '127.0.0.1')
    await once(listener, 'listening')
    this.port = (listener.address() as AddressInfo).port
    this.server = server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  private serverOptions(): SMTPServerOptions {
    const { auth, tls = 'none' } = this.options
    return {
      secure: tls === 'smtps',
      disabledCommands: tls === 'none' ? ['STARTTLS'] : [],
      authOptional: !auth,
      disableReverseLookup: true,
      logger: false,
      closeTimeout: 1,
      onConnect: (_, callback) => {
        this.connections += 1
        if (!this.isSilent) callback()
      },
      onAuth: ({ username, password }, _, callback) => {
        if (auth && username === auth.user && password === auth.pass) callback(null, { user: username })
        else callback(Object.assign(new Error('wrong credentials'), { responseCode: 535 }))
      },
      onRcptTo: ({ address }, _, callback) => {
        const responseCode = this.refusals.get(address)
        callback(responseCode ? Object.assign(new Error('not here'), { responseCode }) : null)
      },
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope
          const envelope = {
            from: mailFrom ? mailFrom.address : '',
            to: rcptTo.map(({ address }) => address),
            secure: session.secure,
            user: session.user as string | undefined,
          }
          this.mails.push(readMail(Buffer.concat(chunks).toString('utf8'), envelope))
          callback()
        })
      },
    }
  }
}
