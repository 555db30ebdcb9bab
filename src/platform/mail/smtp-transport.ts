import type { Transporter } from 'nodemailer'
import ipaddr from 'ipaddr.js'
import type { MailText } from './mail-text.js'

const CONNECTION_TIMEOUT_MS = 10_000
const GREETING_TIMEOUT_MS = 10_000
/** Silence in the middle of a conversation. */
const SOCKET_TIMEOUT_MS = 20_000
/** The whole of one sending, for a server that drips: well above the three before it. */
const SEND_TIMEOUT_MS = 60_000
const SUBMISSION_PORT = 587
const SUBMISSION_TLS_PORT = 465

/** A mail as it goes to the server. */
export interface OutgoingMail extends MailText {
  readonly from: string
  readonly to: string
  /** The same for every attempt, so that a receiver can tell a second delivery. */
  readonly messageId: string
}

/** Sends over SMTP, one connection a mail. nodemailer is loaded with the first one: most servers send few. */
export class SmtpTransport {
  private transporter: Promise<Transporter> | undefined

  /** @param url `smtp(s)://user:password@host:port` */
  constructor(private readonly url: string) {}

  /** @throws Error when the server has not taken the mail; it may have all the same when the answer was lost */
  async send({ from, to, messageId, subject, text, html }: OutgoingMail, signal: AbortSignal): Promise<void> {
    this.transporter ??= openTransport(new URL(this.url))
    const transporter = await this.transporter
    await transporter.sendMail({
      from,
      // As an object it is one address, whatever is in it; as a text it could be a list.
      to: { name: '', address: to },
      messageId,
      subject,
      text,
      html,
      // RFC 3834: no out-of-office notes in answer.
      headers: { 'Auto-Submitted': 'auto-generated' },
      disableFileAccess: true,
      disableUrlAccess: true,
      signal: AbortSignal.any([signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
    })
  }
}

/** Whether the server refuses this receiver for good, which no further attempt changes (RFC 5321 §4.2.1, 5yz). */
export function isReceiverRefused(error: unknown): boolean {
  const { code, command, responseCode = 0 } = error as { code?: string; command?: string; responseCode?: number }
  return code === 'EENVELOPE' && command === 'RCPT TO' && responseCode >= 500
}

async function openTransport(url: URL): Promise<Transporter> {
  const { createTransport } = await import('nodemailer')
  return createTransport(transportOptions(url))
}

/** How a server is spoken to: encrypted where it can be, and where it must. */
export function transportOptions(url: URL) {
  const secure = url.protocol === 'smtps:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const user = decodeURIComponent(url.username)
  const isLocal = isLoopback(host)
  return {
    host,
    port: url.port === '' ? (secure ? SUBMISSION_TLS_PORT : SUBMISSION_PORT) : Number(url.port),
    secure,
    ...(user !== '' && { auth: { user, pass: decodeURIComponent(url.password) } }),
    // A password goes over the network encrypted or not at all: whoever is in between could take STARTTLS out of the offer.
    requireTLS: user !== '' && !isLocal,
    // Nobody is between us and our own machine, whose server mostly has a certificate that it made for itself.
    tls: { rejectUnauthorized: !isLocal },
    dnsTimeout: CONNECTION_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback')
}
