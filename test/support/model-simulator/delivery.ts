import type { ServerResponse } from 'node:http'
import { answerTo, type Behaviour } from './behaviour.ts'
import type { Dialect, Frame } from './dialect.ts'
import type { RecordedRequest } from './request.ts'
import type { Usage } from './usage.ts'

/** Timers fire late and no finer than this, so a fast pace is kept by sending several tokens at a time. */
const SHORTEST_PAUSE_MS = 1
/** Carries the headers when there is no event to send with them. */
const SSE_COMMENT = ':\n\n'
const BROKEN_JSON = '{"choices": [{"message": '

export interface Delivery {
  readonly record: RecordedRequest
  readonly response: ServerResponse
  readonly dialect: Dialect
  readonly behaviour: Behaviour
  /** Called before the bytes that tell the client are sent. */
  readonly report: (usage: Partial<Usage>) => void
}

/** Answers one request as its behaviour says. Waits for nothing when there is no latency and no pace. */
export async function deliver(delivery: Delivery): Promise<void> {
  const { record, response, behaviour } = delivery
  if (behaviour.latencyMs && !(await pause(behaviour.latencyMs, response))) return
  if (behaviour.hang === 'before-headers') return
  if (behaviour.hangUp === 'before-headers') hangUp(delivery)
  else if (behaviour.failure) fail(delivery)
  else if (record.isStream) await stream(delivery)
  else complete(delivery)
}

function fail({ record, response, dialect, behaviour }: Delivery): void {
  const { status, body, retryAfter } = behaviour.failure ?? { status: 500 }
  const content = body ?? dialect.failure(status)
  open(record, response, {
    status,
    headers: {
      'content-type': typeof content === 'string' ? 'text/plain' : 'application/json',
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
      ...behaviour.headers,
    },
  })
  finish(record, response, typeof content === 'string' ? content : JSON.stringify(content))
}

function complete(delivery: Delivery): void {
  const { record, response, dialect, behaviour, report } = delivery
  const answer = answerTo(record, behaviour)
  const body = behaviour.isMalformed ? BROKEN_JSON : JSON.stringify(dialect.complete(record, answer))
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...behaviour.headers,
  }
  open(record, response, { status: 200, headers })
  if (behaviour.hang || behaviour.hangUp) {
    cutOff(delivery, body.slice(0, Math.floor(body.length / 2)))
    return
  }
  if (!behaviour.isMalformed) report(dialect.reportable(answer.usage))
  finish(record, response, body)
}

async function stream(delivery: Delivery): Promise<void> {
  const { record, response, dialect, behaviour, report } = delivery
  const cut = behaviour.hang ?? behaviour.hangUp
  const frames = dialect.stream(record, answerTo(record, behaviour))
  if (behaviour.isMalformed) frames.splice(1, Infinity, { text: `data: ${BROKEN_JSON}\n\n`, isToken: false })
  if (typeof cut === 'object') frames.splice(cut.afterChunks)

  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...behaviour.headers }
  open(record, response, { status: 200, headers })
  const textOf = (batch: readonly Frame[]) => {
    for (const { reports } of batch) if (reports) report(reports)
    if (batch.some(({ isToken }) => isToken)) record.firstTokenAt ??= performance.timeOrigin + performance.now()
    return batch.map(({ text }) => text).join('')
  }
  const rest = behaviour.tokensPerSecond ? await writePaced(frames, delivery, textOf) : frames
  if (rest === null) return
  if (cut) cutOff(delivery, textOf(rest) || SSE_COMMENT)
  else finish(record, response, textOf(rest))
}

/** Writes all frames but those after the last token, which it returns; null when the client has gone. */
async function writePaced(
  frames: readonly Frame[],
  { response, behaviour }: Delivery,
  textOf: (batch: readonly Frame[]) => string,
): Promise<readonly Frame[] | null> {
  const msPerToken = 1000 / (behaviour.tokensPerSecond ?? Infinity)
  const startedAt = performance.now()
  let batch: Frame[] = []
  let tokens = 0
  for (const frame of frames) {
    if (frame.isToken) {
      tokens += 1
      const earlyMs = startedAt + tokens * msPerToken - performance.now()
      if (earlyMs >= SHORTEST_PAUSE_MS) {
        if (batch.length > 0) response.write(textOf(batch))
        batch = []
        if (!(await pause(earlyMs, response))) return null
      }
    }
    batch.push(frame)
  }
  return batch
}

function open(
  record: RecordedRequest,
  response: ServerResponse,
  { status, headers }: { status: number; headers: Record<string, string | number> },
): void {
  record.status = status
  response.writeHead(status, { 'x-request-id': `req_${record.id}`, ...headers })
}

/** The outcome is set first: whoever has read the answer finds it recorded. */
function finish(record: RecordedRequest, response: ServerResponse, body: string): void {
  record.outcome = 'answered'
  response.end(body)
}

/** Sends the last of what is ever sent, then leaves the connection as it is or destroys it. */
function cutOff(delivery: Delivery, text: string): void {
  delivery.response.write(text, () => {
    if (delivery.behaviour.hangUp) hangUp(delivery)
  })
}

function hangUp({ record, response }: Delivery): void {
  if (response.destroyed) return
  record.outcome = 'hung-up'
  response.destroy()
}

/** Resolves to false, at once, when the connection closes before `ms` have passed. */
function pause(ms: number, response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    const onClose = () => {
      clearTimeout(timer)
      resolve(false)
    }
    const timer = setTimeout(() => {
      response.off('close', onClose)
      resolve(true)
    }, ms)
    response.once('close', onClose)
  })
}
