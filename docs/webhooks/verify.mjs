// WEBHOOK_SECRET=whsec_… node verify.mjs <headers file> <body file> [now]
// Ends with 0 when the message is genuine and fresh, else with 1. `now`: seconds since 1970, for tests.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { argv, env, exit } from 'node:process'

const TOLERANCE_SECONDS = 300

/** `headers`: names in lower case. `body`: the bytes as they came, not JSON that was parsed and written again. */
function verify({ secret, headers, body, now = Date.now() / 1000 }) {
  const id = headers['webhook-id'] ?? ''
  const timestamp = headers['webhook-timestamp'] ?? ''
  const signatures = headers['webhook-signature'] ?? ''
  if (id === '' || !/^\d{1,12}$/.test(timestamp)) return false
  if (Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false

  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  if (key.length === 0) throw new Error('the secret is empty')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
  return signatures.split(' ').some((signature) => {
    const [version, value = ''] = signature.split(',')
    const given = Buffer.from(value, 'base64')
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
  })
}

const [headersFile, bodyFile, now] = argv.slice(2)
const lines = readFileSync(headersFile, 'utf8').split(/\r?\n/)
const pairs = lines.map((line) => /^([\w-]+):\s*(.*?)\s*$/.exec(line)).filter((pair) => pair !== null)
const isGenuine = verify({
  secret: env.WEBHOOK_SECRET ?? '',
  headers: Object.fromEntries(pairs.map(([, name, value]) => [name.toLowerCase(), value])),
  body: readFileSync(bodyFile),
  now: now === undefined ? undefined : Number(now),
})
exit(isGenuine ? 0 : 1)
