import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { toStorableText } from '#kernel/storable.js'
import { AppConfig } from '#platform/config/app-config.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'
import type { Attempt, ClaimedDelivery, DeliveryTarget } from './attempt.js'
import { signedHeaders } from './signature.js'

/** What is kept of an answer; a receiver has nothing to tell us. */
const MAX_ANSWER_BYTES = 4096
const NOT_2XX = 'The receiver did not answer with a 2xx status.'

/** Nothing goes out without a signature. */
const UNSIGNABLE = {
  status: null,
  headers: null,
  body: null,
  error: 'There is no signing secret that can be read. Rotate it.',
} satisfies Answer

/** Sends a delivery once. */
@Injectable()
export class DeliverySender {
  private readonly timeoutMs: number

  constructor(
    config: AppConfig,
    private readonly outbound: OutboundClient,
  ) {
    this.timeoutMs = config.settings.WEBHOOK_TIMEOUT_MS
  }

  /** What goes wrong is part of the attempt. @throws the signal's reason when that aborts */
  async send(delivery: ClaimedDelivery, { url, keys }: DeliveryTarget, signal: AbortSignal): Promise<Attempt> {
    const { messageId: id, body } = delivery
    const startedAt = new Date()
    if (keys.length === 0) return { url, startedAt, durationMs: 0, ...UNSIGNABLE }
    const since = performance.now()
    const answer = await this.post(url, signedHeaders({ id, at: startedAt, body }, keys), body, signal)
    return { url, startedAt, durationMs: Math.round(performance.now() - since), ...answer }
  }

  private async post(url: string, headers: Record<string, string>, body: string, signal: AbortSignal): Promise<Answer> {
    try {
      const answer = await this.outbound.send({
        url,
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body,
        timeoutMs: this.timeoutMs,
        maxResponseBytes: MAX_ANSWER_BYTES,
        signal,
      })
      const { status, headers: answered, failure } = answer
      if (failure) return { status, headers: answered, body: null, error: wordsOf(failure) }
      const text = toStorableText(answer.body.toString('utf8'))
      return { status, headers: answered, body: text, error: isSuccessful(status) ? null : NOT_2XX }
    } catch (error) {
      if (signal.aborted || !(error instanceof AppError)) throw error
      return { status: null, headers: null, body: null, error: wordsOf(error) }
    }
  }
}

type Answer = Pick<Attempt, 'status' | 'headers' | 'body' | 'error'>

function isSuccessful(status: number): boolean {
  return status >= 200 && status < 300
}

function wordsOf(error: AppError): string {
  return error.detail ?? error.code
}
