import { TransformStream } from 'node:stream/web'
import { tooLarge } from './outbound-errors.js'

type Bytes = Uint8Array<ArrayBuffer>

export interface ReadOptions {
  /** Of the body as it is unpacked: a small one may grow without end. */
  readonly maxBytes: number
  /** Keep what fits instead of failing. */
  readonly truncate: boolean
}

export interface ReadBody {
  readonly body: Buffer
  readonly isTruncated: boolean
}

/** Reads to the end or to the limit, and asks for no more than that. @throws AppError `outbound_too_large` */
export async function readBody(
  stream: AsyncIterable<Bytes> | null,
  { maxBytes, truncate }: ReadOptions,
): Promise<ReadBody> {
  const chunks: Bytes[] = []
  let bytes = 0
  for await (const chunk of stream ?? []) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) {
      if (!truncate) throw tooLarge(maxBytes)
      return { body: Buffer.concat(chunks, maxBytes), isTruncated: true }
    }
  }
  return { body: Buffer.concat(chunks), isTruncated: false }
}

/** Passes on what fits and breaks with `outbound_too_large` at the first byte over it. */
export function limitBody(maxBytes: number, onEnd: () => void): TransformStream<Bytes, Bytes> {
  let bytes = 0
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > maxBytes) controller.error(tooLarge(maxBytes))
      else controller.enqueue(chunk)
    },
    flush: onEnd,
  })
}
