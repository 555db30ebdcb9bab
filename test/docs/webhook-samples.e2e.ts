import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { execFile } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

const FOLDER = 'docs/webhooks'
const SAMPLES = [
  { program: process.execPath, file: 'verify.mjs' },
  { program: 'python3', file: 'verify.py' },
  { program: 'bash', file: 'verify.sh' },
]
/** Those of the specification (Standard Webhooks 1.0.0). */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const SENT_AT = 1614265330
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
const HEADERS = {
  'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  'webhook-timestamp': String(SENT_AT),
  'webhook-signature': SIGNATURE,
}
const BODY = '{"test": 2432232314}'
const OTHER = `v1,${Buffer.alloc(32, 7).toString('base64')}`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'temponest-samples-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Received {
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
  readonly secret?: string
  /** Null: the machine's own clock. */
  readonly now?: number | null
}

/** @throws Error when there is no such program: a sample that nobody has run is not tested */
function exitCode(program: string, args: string[], env: Record<string, string>): Promise<number> {
  const { PATH = '' } = process.env
  return new Promise((resolve, reject) => {
    execFile(program, args, { env: { PATH, ...env } }, (error, _stdout, stderr) => {
      if (error === null) resolve(0)
      else if (typeof error.code === 'number' && error.code < 126 && !stderr.includes('command not found'))
        resolve(error.code)
      else
        reject(
          new Error(`the samples want node, python3, bash, openssl and curl on the PATH: ${stderr || error.message}`),
        )
    })
  })
}

async function verify(sample: (typeof SAMPLES)[number], received: Received = {}): Promise<number> {
  const { headers = HEADERS, body = BODY, secret = SECRET, now = SENT_AT + 1 } = received
  const [headersFile, bodyFile] = [join(folder, 'headers'), join(folder, 'body')]
  // As `curl --include` and proxies write them down.
  const lines = ['POST /hooks HTTP/1.1', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', '']
  await writeFile(headersFile, lines.join('\r\n'))
  await writeFile(bodyFile, body)
  const args = [join(FOLDER, sample.file), headersFile, bodyFile, ...(now === null ? [] : [String(now)])]
  return exitCode(sample.program, args, { WEBHOOK_SECRET: secret })
}

describe.each(SAMPLES)('$file', (sample) => {
  it("takes the specification's own message", async () => {
    expect(await verify(sample)).toBe(0)
  })

  it.each<[string, Received]>([
    ['names of headers in capitals', { headers: capitalised(HEADERS) }],
    ['a second signature behind it', { headers: { ...HEADERS, 'webhook-signature': `${SIGNATURE} ${OTHER}` } }],
    [
      'it among signatures of other secrets and versions',
      { headers: { ...HEADERS, 'webhook-signature': `v1a,c2ln ${OTHER} ${SIGNATURE}` } },
    ],
    ['a message as old as it may be', { now: SENT_AT + 300 }],
    ['a clock that is behind by as much', { now: SENT_AT - 300 }],
  ])('takes %s', async (_, received) => {
    expect(await verify(sample, received)).toBe(0)
  })

  it.each<[string, Received]>([
    ['another body', { body: '{"test": 2432232315}' }],
    ['the same JSON written otherwise', { body: '{"test":2432232314}' }],
    ['a body that goes on', { body: `${BODY}\n` }],
    ['another id', { headers: { ...HEADERS, 'webhook-id': 'msg_other' } }],
    ['another time', { headers: { ...HEADERS, 'webhook-timestamp': String(SENT_AT + 1) } }],
    ['another signature', { headers: { ...HEADERS, 'webhook-signature': OTHER } }],
    [
      'the signature under another version',
      { headers: { ...HEADERS, 'webhook-signature': `v2,${SIGNATURE.slice(3)}` } },
    ],
    ['the signature without its version', { headers: { ...HEADERS, 'webhook-signature': SIGNATURE.slice(3) } }],
    ['a part of the signature', { headers: { ...HEADERS, 'webhook-signature': SIGNATURE.slice(0, 20) } }],
    ['an empty signature', { headers: { ...HEADERS, 'webhook-signature': '' } }],
    ['a time that is no number', { headers: { ...HEADERS, 'webhook-timestamp': `${SENT_AT}.0` } }],
    ['no headers', { headers: {} }],
    ['another secret', { secret: `whsec_${Buffer.alloc(24, 1).toString('base64')}` }],
    ['an empty secret', { secret: 'whsec_' }],
    ['a message that is too old', { now: SENT_AT + 301 }],
    ['one from a future too far off', { now: SENT_AT - 301 }],
    ['one of 2021 by the clock of today', { now: null }],
  ])('refuses %s', async (_, received) => {
    expect(await verify(sample, received)).toBe(1)
  })

  it('takes what the official library has signed now, and refuses it cut off within a character', async () => {
    const sentAt = new Date()
    const body = Buffer.from('{"name":"Zoë \u{1f514}"}')
    const headers = {
      'webhook-id': 'msg_now',
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
      'webhook-signature': new Webhook(SECRET).sign('msg_now', sentAt, body.toString()),
    }
    expect(await verify(sample, { headers, body, now: null })).toBe(0)
    expect(await verify(sample, { headers, body: body.subarray(0, -3), now: null })).toBe(1)
  })
})

describe('send.sh', () => {
  it('posts a message that the official library takes, and fails when the receiver does', async () => {
    const bodyFile = join(folder, 'message')
    await writeFile(bodyFile, '{"type":"run.completed","timestamp":"2026-11-21T09:30:00.000Z","data":{"a":"é\\n"}}')
    const received: unknown[] = []
    const receive = async (request: IncomingMessage, response: ServerResponse) => {
      const body = await buffer(request)
      received.push(new Webhook(SECRET).verify(body, request.headers as Record<string, string>))
      response.writeHead(received.length === 1 ? 204 : 500).end()
    }
    const server = createServer((request, response) => void receive(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`
    const send = () => exitCode('bash', [join(FOLDER, 'send.sh'), url, bodyFile], { WEBHOOK_SECRET: SECRET })
    expect(await send()).toBe(0)
    expect(await send()).not.toBe(0)
    expect(received).toEqual(Array(2).fill(JSON.parse(await readFile(bodyFile, 'utf8'))))
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('docs/WEBHOOKS.md', () => {
  it.each([...SAMPLES.map(({ file }) => file), 'send.sh'])('shows %s word for word', async (file) => {
    const page = await readFile('docs/WEBHOOKS.md', 'utf8')
    const language = { mjs: 'js', py: 'python', sh: 'bash' }[file.split('.')[1] ?? '']
    expect(page).toContain(`\n\`\`\`${language}\n${await readFile(join(FOLDER, file), 'utf8')}\`\`\`\n`)
  })
})

function capitalised(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()), value]),
  )
}
