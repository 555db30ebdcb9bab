import { Agent, type Dispatcher } from 'undici'

type Bytes = Uint8Array<ArrayBuffer>

/** As the platform's fetch does it: some who offer HTTP/2 only believe that they speak it. */
const AGENT = new Agent({ allowH2: false })
/** Ahead of its reader; from there on the provider has to wait. */
const MAX_BUFFERED_BYTES = 64 * 1024
const BUFFER = new ByteLengthQueuingStrategy({ highWaterMark: MAX_BUFFERED_BYTES })
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const BODILESS = new Set([204, 205, 304])
/** Nobody is asked to compress; some do all the same. */
const CODINGS = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
] as const)

/**
 * `fetch` for the SDK's providers, with what their POSTs need and no more: the platform's costs more than all else that a call of
 * a model does here. The same time limits and errors; a redirect is left to the platform's.
 */
export const modelFetch: typeof fetch = async (input, init = {}) => {
  const { method = 'GET', headers, body, signal } = init
  if (typeof input !== 'string' || typeof body !== 'string') return fetch(input, init)
  signal?.throwIfAborted()
  const { origin, pathname, search } = new URL(input)
  const exchange = new Exchange(signal ?? null)
  AGENT.dispatch(
    {
      origin,
      path: pathname + search,
      method,
      headers: { accept: '*/*', 'accept-encoding': 'identity', ...Object.fromEntries(new Headers(headers)) },
      body,
    },
    exchange,
  )
  return (await exchange.response) ?? fetch(input, init)
}

/** One request and its answer. */
class Exchange implements Dispatcher.DispatchHandler {
  /** Null: a redirect. */
  readonly response: Promise<Response | null>
  private readonly opening = Promise.withResolvers<Response | null>()
  private readonly onAbort = (): void => this.abort(this.signal?.reason)
  private connection: Dispatcher.DispatchController | null = null
  private body: ReadableStreamDefaultController<Bytes> | null = null

  constructor(private readonly signal: AbortSignal | null) {
    this.response = this.opening.promise
    signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.connection = controller
    if (this.signal?.aborted) controller.abort(this.signal.reason)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    statusText = '',
  ): void {
    // 100 and its like come before the answer.
    if (status < 200) return
    if (REDIRECTS.has(status) && headers['location'] !== undefined) return this.opening.resolve(null)
    const body = BODILESS.has(status) ? null : decode(this.openBody(controller), headers['content-encoding'])
    this.opening.resolve(new Response(body, { status, statusText, headers: headers as Record<string, string> }))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer<ArrayBuffer>): void {
    if (!this.body) return
    this.body.enqueue(chunk)
    if ((this.body.desiredSize ?? 0) <= 0) controller.pause()
  }

  onResponseEnd(): void {
    this.end()
    this.body?.close()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(this.signal?.aborted ? this.signal.reason : new TypeError('fetch failed', { cause: error }))
  }

  private openBody(controller: Dispatcher.DispatchController): ReadableStream<Bytes> {
    return new ReadableStream<Bytes>(
      {
        start: (body) => void (this.body = body),
        pull: () => controller.resume(),
        cancel: (reason) => {
          this.body = null
          this.end()
          controller.abort(reason instanceof Error ? reason : new Error('nobody reads the answer'))
        },
      },
      BUFFER,
    )
  }

  private abort(reason: unknown): void {
    this.fail(reason)
    this.connection?.abort(reason as Error)
  }

  private fail(reason: unknown): void {
    this.end()
    this.opening.reject(reason)
    this.body?.error(reason)
    this.body = null
  }

  private end(): void {
    this.signal?.removeEventListener('abort', this.onAbort)
  }
}

function decode(body: ReadableStream<Bytes>, encoding: string | string[] | undefined): ReadableStream<Bytes> {
  const coding = CODINGS.get(String(encoding).toLowerCase() as 'gzip')
  return coding ? body.pipeThrough<Bytes>(new DecompressionStream(coding)) : body
}
