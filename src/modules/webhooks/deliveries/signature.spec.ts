import { describe, expect, it } from '@jest/globals'
import { Webhook } from 'standardwebhooks'
import { toSecretText } from '../endpoints/signing-secret.js'
import { signedHeaders } from './signature.js'

/** The vector of the Standard Webhooks specification. */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const KEY = Buffer.from(SECRET.slice('whsec_'.length), 'base64')
const VECTOR = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: new Date(1614265330_000), body: '{"test": 2432232314}' }

describe('signedHeaders', () => {
  it("reproduces the specification's vector", () => {
    expect(signedHeaders(VECTOR, [KEY])).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  it('makes what the official library accepts, with each of the keys that sign', () => {
    const other = Buffer.alloc(32, 7)
    const signed = { ...VECTOR, at: new Date(), body: '{"text":"grüße 😀"}' }
    const headers = signedHeaders(signed, [other, KEY])
    for (const secret of [SECRET, toSecretText(other)]) {
      expect(new Webhook(secret).verify(signed.body, headers)).toEqual({ text: 'grüße 😀' })
    }
    const stranger = new Webhook(toSecretText(Buffer.alloc(32, 9)))
    expect(() => stranger.verify(signed.body, headers)).toThrow('No matching signature')
    expect(() => new Webhook(SECRET).verify(`${signed.body} `, headers)).toThrow('No matching signature')
  })
})
