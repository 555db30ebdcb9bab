import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import type { AnswerDraft } from './answer-draft.js'
import { ModelFailure } from './model-failure.js'
import type { ReadableStreamReadResult } from 'node:stream/web'
import { toModelFailure } from './provider-failure.js'

export interface StreamRequest {
  readonly model: LanguageModelV4
  readonly options: LanguageModelV4CallOptions
  /** Filled as the answer comes: what it holds when this fails had come until then. */
  readonly draft: AnswerDraft
  readonly onText: (text: string) => void
  /** The caller's. */
  readonly signal: AbortSignal
  /** Nothing from the provider for that long is a failure, before the first event too. */
  readonly idleTimeoutMs: number
  /** What is left of the model's time, and what the whole of it was. */
  readonly remainingMs: number
  readonly timeoutMs: number
}

/**
 * Makes one network call and reads its answer to the end.
 * @throws ModelFailure for whatever goes wrong out there, an abort too; anything else is a mistake of ours
 */
export async function streamAnswer(request: StreamRequest): Promise<void> {
  const { draft, signal, idleTimeoutMs, remainingMs, timeoutMs } = request
  const stop = new AbortController()
  const stopFor = (reason: 'aborted' | 'silent' | 'timeout', message: string) => () =>
    stop.abort(new ModelFailure(reason, message, { hadBegun: draft.hasOutput }))
  const onAbort = stopFor('aborted', 'the call was aborted.')
  signal.addEventListener('abort', onAbort, { once: true })
  const idle = setTimeout(stopFor('silent', `it sent nothing for ${idleTimeoutMs} ms.`), idleTimeoutMs)
  const deadline = setTimeout(stopFor('timeout', `it did not answer within ${timeoutMs} ms.`), remainingMs)
  try {
    if (signal.aborted) onAbort()
    await read(request, stop, idle)
    draft.checkFinished()
  } catch (error) {
    // Lets go of the connection whatever went wrong.
    if (!stop.signal.aborted) stop.abort()
    throw error
  } finally {
    clearTimeout(idle)
    clearTimeout(deadline)
    signal.removeEventListener('abort', onAbort)
  }
}

async function read(request: StreamRequest, stop: AbortController, idle: NodeJS.Timeout): Promise<void> {
  const { draft, onText } = request
  const stream = await open(request, stop.signal)
  const reader = stream.getReader()
  // Ends a read under way at once, even where a provider's client does not mind the signal.
  stop.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined), { once: true })
  while (true) {
    let part: ReadableStreamReadResult<LanguageModelV4StreamPart>
    try {
      part = await reader.read()
    } catch (error) {
      stop.signal.throwIfAborted()
      throw new ModelFailure('broken', 'the connection broke off in the middle of its answer.', { cause: error })
    }
    stop.signal.throwIfAborted()
    if (part.done) return
    idle.refresh()
    const text = draft.add(part.value)
    if (text !== '') onText(text)
  }
}

async function open(
  { model, options }: StreamRequest,
  signal: AbortSignal,
): Promise<ReadableStream<LanguageModelV4StreamPart>> {
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    signal.throwIfAborted()
    const { stream } = await Promise.race([model.doStream({ ...options, abortSignal: signal }), stopped])
    return stream
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw toModelFailure(error, Date.now())
  } finally {
    // From here on nobody waits for it.
    stopped.catch(() => undefined)
  }
}
