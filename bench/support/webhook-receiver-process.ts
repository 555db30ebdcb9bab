/**
 * `node webhook-receiver-process.ts`: takes webhooks at `/hooks/…`, notes down when each came, and checks nothing. `/spare/…` is not noted, `/hang/…`
 * never answered. `GET /count`, `GET /arrivals` (`[[webhook-id, path, milliseconds since the epoch], …]`) and `POST /reset` are the
 * bench's. Prints `{"baseUrl":…}` once it serves.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

let arrivals: [id: string, path: string, at: number][] = []

const server = createServer((request, response) => {
  const path = request.url ?? ''
  request.on('end', () => {
    const at = performance.timeOrigin + performance.now()
    if (path.startsWith('/hooks/')) {
      arrivals.push([String(request.headers['webhook-id']), path, at])
      response.writeHead(204).end()
    } else if (path.startsWith('/spare/')) response.writeHead(204).end()
    else if (path === '/count') response.end(JSON.stringify(arrivals.length))
    else if (path === '/arrivals') response.end(JSON.stringify(arrivals))
    else if (path === '/reset') {
      arrivals = []
      response.writeHead(204).end()
    }
  })
  request.resume()
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
})
