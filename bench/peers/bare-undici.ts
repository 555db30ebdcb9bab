/**
 * `node bare-undici.ts <url> <secret> <count> <concurrency>`: signs the same message so many times and posts it, so many at once, and
 * keeps nothing. Prints `{"perSecond":…}`. What an HTTP client can do here that has no queue, tenants, limits or log.
 */
import { createHmac } from 'node:crypto'
import { Pool } from 'undici'
import { MESSAGE_BODY } from '../support/webhooks.ts'

const [url = '', secret = '', count = '0', concurrency = '1'] = process.argv.slice(2)
const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
const { origin, pathname } = new URL(url)
const pool = new Pool(origin, { connections: Number(concurrency) })

let left = Number(count)
const startedAt = performance.now()
await Promise.all(
  Array.from({ length: Number(concurrency) }, async () => {
    while (left-- > 0) {
      const id = `msg_${left}`
      const timestamp = String(Math.floor(Date.now() / 1000))
      const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${MESSAGE_BODY}`).digest('base64')
      const { statusCode, body } = await pool.request({
        path: pathname,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': `v1,${signature}`,
        },
        body: MESSAGE_BODY,
      })
      await body.dump()
      if (statusCode !== 204) throw new Error(`${statusCode}`)
    }
  }),
)
console.log(JSON.stringify({ perSecond: (Number(count) * 1000) / (performance.now() - startedAt) }))
await pool.close()
