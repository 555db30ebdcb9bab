import { describe, expect, it } from '@jest/globals'
import { wordMail } from './mail-text.js'

const link = 'https://example.com/accept-invitation#token=tni_abc'
const invitation = (names: { tenantName?: string; inviterName?: string }) =>
  wordMail({
    to: 'a@example.com',
    template: 'invitation',
    data: { tenantName: 'Team', inviterName: 'Ann', link, expiresAt: '2026-11-28T06:28:00.000Z', ...names },
  })

describe('wordMail', () => {
  it('says who invites, to what, where to go and until when, in text and in HTML', () => {
    const { subject, text, html } = invitation({})
    expect(subject).toBe('Ann invites you to Team')
    expect(text).toContain(`\n\n${link}\n\n`)
    expect(text).toContain('valid until Sat, 28 Nov 2026 06:28:00 GMT')
    expect(html).toContain(`<a href="${link}">${link}</a>`)
  })

  it('escapes what people typed, in every place of the HTML', () => {
    const { html } = invitation({ tenantName: `<script>alert("1")</script>`, inviterName: `'><img src=x>&` })
    expect(html).not.toMatch(/<script|<img/)
    expect(html).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;')
    expect(html).toContain('&#39;&gt;&lt;img src=x&gt;&amp;')
  })

  it('keeps a name on one line and in its own direction', () => {
    const { subject, text } = invitation({ tenantName: 'Team\r\nBcc: x@evil.example\u2028\u202Egpj' })
    expect(subject).toBe('Ann invites you to Team Bcc: x@evil.example gpj')
    expect(text.split('\n')[0]).toBe('Ann invites you to the team "Team Bcc: x@evil.example gpj" on TempoNest.')
  })

  it('cuts a name that is too long for a subject', () => {
    expect(invitation({ tenantName: '😀'.repeat(1000) }).subject).toBe(`Ann invites you to ${'😀'.repeat(100)}`)
  })

  it.each([
    ['password_reset', { link, expiresAt: '2026-11-28T06:28:00.000Z' }, 'Set a new password', link],
    ['email_verification', { link, expiresAt: '2026-11-28T06:28:00.000Z' }, 'Confirm your e-mail address', link],
    ['already_registered', { serverUrl: 'https://example.com' }, 'You have an account already', 'https://example.com'],
    ['password_was_reset', {}, 'Your password was changed', 'API keys deleted'],
    ['password_changed', {}, 'Your password was changed', 'sessions were ended'],
  ] as const)('has words for %s', (template, data, subject, content) => {
    const worded = wordMail({ to: 'a@example.com', template, data } as Parameters<typeof wordMail>[0])
    expect(worded.subject).toBe(subject)
    expect(worded.text).toContain(content)
    expect(worded.html).toContain(content)
  })
})
