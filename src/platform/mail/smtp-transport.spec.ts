import { describe, expect, it } from '@jest/globals'
import { transportOptions } from './smtp-transport.js'

describe('transportOptions', () => {
  it('sends a password over the network encrypted, to a server with a certificate that holds, or not at all', () => {
    expect(transportOptions(new URL('smtp://user%40example.com:p%2Fw@mail.example.com'))).toMatchObject({
      host: 'mail.example.com',
      port: 587,
      secure: false,
      auth: { user: 'user@example.com', pass: 'p/w' },
      requireTLS: true,
      tls: { rejectUnauthorized: true },
    })
  })

  it('speaks TLS from the start to smtps:', () => {
    const options = transportOptions(new URL('smtps://user:password@mail.example.com'))
    expect(options).toMatchObject({ port: 465, secure: true, tls: { rejectUnauthorized: true } })
  })

  it('does without encryption where there is no password, and takes it where it is offered', () => {
    const options = transportOptions(new URL('smtp://relay.internal:25'))
    expect(options).toMatchObject({ port: 25, requireTLS: false, tls: { rejectUnauthorized: true } })
    expect(options).not.toHaveProperty('auth')
    expect(options).not.toHaveProperty('ignoreTLS')
  })

  it.each(['localhost', '127.0.0.1', '127.8.9.10', '[::1]'])('trusts its own machine: %s', (host) => {
    const options = transportOptions(new URL(`smtp://user:password@${host}:2525`))
    expect(options).toMatchObject({ requireTLS: false, tls: { rejectUnauthorized: false } })
  })

  it.each(['10.0.0.1', 'localhost.example.com', '[::2]'])('trusts no other: %s', (host) => {
    const options = transportOptions(new URL(`smtp://user:password@${host}`))
    expect(options).toMatchObject({ requireTLS: true, tls: { rejectUnauthorized: true } })
  })
})
