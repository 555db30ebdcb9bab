import { connect } from 'node:net'

interface RawAnswer {
  readonly status: number
  readonly reason: string
  readonly headers: Record<string, string>
  readonly body: string
}

const ANSWER_TIMEOUT_MS = 5000

/** Writes `bytes` (Latin-1) to a socket as they are, and reads the first answer, for requests that no client would make. */
export async function rawHttp({ hostname, port }: URL, bytes: string): Promise<RawAnswer> {
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) })
    let received = ''
    const finish = (): void => {
      socket.destroy()
      resolve(received)
    }
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
      socket.destroy()
      reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms; so far: ${received}`))
    })
    socket.on('data', (chunk) => {
      received += chunk.toString('utf8')
      if (isWhole(received)) finish()
    })
    // The server may close while we still write: what it said before counts.
    socket.on('error', finish)
    socket.on('close', finish)
    socket.write(Buffer.from(bytes, 'latin1'))
  })
  return parse(text)
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)\r$/im.exec(text)?.[1]
  return end >= 0 && length !== undefined && Buffer.byteLength(text.slice(end + 4)) >= Number(length)
}

function parse(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const [, status, reason = ''] = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(statusLine) ?? []
  if (!status) throw new Error(`not an HTTP answer: ${JSON.stringify(text)}`)
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return { status: Number(status), reason, headers, body: text.slice(end + 4) }
}
