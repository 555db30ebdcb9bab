import type { Mail } from './mail.js'

/** A mail in words: the same for people who read HTML and people who do not. */
export interface MailText {
  readonly subject: string
  readonly text: string
  readonly html: string
}

interface Letter {
  readonly subject: string
  readonly before: readonly string[]
  readonly link?: string
  readonly after: readonly string[]
}

const MAX_NAME_LENGTH = 100
/** Control and format characters, direction overrides among them, and line separators: a name is one line that reads as it is. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu
const HTML_ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const NOT_YOU = 'If this was not you, do nothing: without the link nothing happens.'

/** Words a mail. What people typed comes out as text, never as a header, a line of its own or markup. */
export function wordMail(mail: Mail): MailText {
  const letter = (LETTERS[mail.template] as (mail: Mail) => Letter)(mail)
  const { subject, before, link, after } = letter
  const paragraphs = [...before, ...(link === undefined ? [] : [link]), ...after]
  return { subject, text: `${paragraphs.join('\n\n')}\n`, html: toHtml(letter) }
}

const LETTERS: { [T in Mail['template']]: (mail: Extract<Mail, { template: T }>) => Letter } = {
  invitation: ({ data }) => {
    const [tenant, inviter] = [nameOf(data.tenantName), nameOf(data.inviterName)]
    return {
      subject: `${inviter} invites you to ${tenant}`,
      before: [`${inviter} invites you to the team "${tenant}" on TempoNest.`, 'To accept, open this link:'],
      link: data.link,
      after: [validUntil(data.expiresAt), 'If you do not know the sender, do nothing.'],
    }
  },
  password_reset: ({ data }) => ({
    subject: 'Set a new password',
    before: ['Somebody asked to set a new password for your TempoNest account.', 'To set one, open this link:'],
    link: data.link,
    after: [`${validUntil(data.expiresAt)} It works once, and only the newest one does.`, NOT_YOU],
  }),
  email_verification: ({ data }) => ({
    subject: 'Confirm your e-mail address',
    before: ['Somebody registered on TempoNest with this address.', 'Only if it was you, open this link:'],
    link: data.link,
    after: [validUntil(data.expiresAt), NOT_YOU],
  }),
  already_registered: ({ data }) => ({
    subject: 'You have an account already',
    before: [
      'Somebody tried to register on TempoNest with this address, which has an account already.',
      'If it was you, sign in, or ask for a new password if you do not know yours:',
    ],
    link: data.serverUrl,
    after: ['If this was not you, do nothing: your account is as it was.'],
  }),
  password_changed: () => ({
    subject: 'Your password was changed',
    before: ['The password of your TempoNest account was changed, and its other sessions were ended.'],
    after: ['If this was not you, ask for a new password at once, and tell your administrator.'],
  }),
  password_was_reset: () => ({
    subject: 'Your password was changed',
    before: [
      'The password of your TempoNest account was set anew with a link. Its sessions were ended, and its API keys deleted: make new ones where you need them.',
    ],
    after: ['If this was not you, ask for a new password at once, and tell your administrator.'],
  }),
}

function toHtml({ subject, before, link, after }: Letter): string {
  const anchor = link === undefined ? [] : [`<a href="${escapeHtml(link)}">${escapeHtml(link)}</a>`]
  const paragraphs = [...before.map(escapeHtml), ...anchor, ...after.map(escapeHtml)]
  const body = paragraphs.map((content) => `<p>${content}</p>`).join('')
  const title = `<meta charset="utf-8"><title>${escapeHtml(subject)}</title>`
  return `<!doctype html><html lang="en"><head>${title}</head><body>${body}</body></html>`
}

function nameOf(name: string): string {
  return Array.from(name.replaceAll(UNPRINTABLE, ' ').trim()).slice(0, MAX_NAME_LENGTH).join('')
}

function validUntil(expiresAt: string): string {
  return `The link is valid until ${dateOf(expiresAt)}.`
}

function dateOf(iso: string): string {
  return new Date(iso).toUTCString()
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => HTML_ESCAPES[character] ?? '')
}
