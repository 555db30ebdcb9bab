import { pipeline, type Readable, type Transform } from 'node:stream'
import {
  brotliCompress,
  brotliCompressSync,
  type BrotliOptions,
  constants,
  createBrotliCompress,
  createGzip,
  gzip,
  gzipSync,
  type ZlibOptions,
} from 'node:zlib'
import type { Coding } from './content-coding.js'

/** Smaller bodies fit a packet as they are. */
export const MIN_COMPRESSED_BYTES = 500
/** Up to here, compressing at once takes less than handing it to another thread; above, it would hold up everybody. */
export const MAX_SYNC_BYTES = 16 * 1024

const MIN_WINDOW_BITS = 9
const MAX_WINDOW_BITS = 15
/** As zlib has it by default: a window of 15 bits and memory level 9, the most there is. */
const WINDOW_TO_MEMORY = 6
const GZIP: ZlibOptions = { level: 6 }
const BROTLI: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }
const COMPRESSIBLE =
  /^(?:text\/(?!event-stream)|(?:application\/(?:json|javascript|xml|yaml|x-ndjson)|image\/svg\+xml|[\w.+-]+\/[\w.+-]+\+(?:json|xml))(?:$|[ ;]))/i

export function isCompressible(contentType: unknown): boolean {
  return typeof contentType === 'string' && COMPRESSIBLE.test(contentType)
}

/** For small bodies: see {@link MAX_SYNC_BYTES}. */
export function compressSync(body: string | Buffer, coding: Coding): Buffer {
  if (coding === 'br') return brotliCompressSync(body, BROTLI)
  // A window that holds the whole body, and tables to match: zlib's own take 256 KiB for a body of one.
  const windowBits = Math.min(MAX_WINDOW_BITS, Math.max(MIN_WINDOW_BITS, Math.ceil(Math.log2(body.length + 1))))
  return gzipSync(body, { ...GZIP, windowBits, memLevel: windowBits - WINDOW_TO_MEMORY })
}

export function compress(
  body: string | Buffer,
  coding: Coding,
  done: (error: Error | null, compressed: Buffer) => void,
): void {
  if (coding === 'br') brotliCompress(body, BROTLI, done)
  else gzip(body, GZIP, done)
}

/** The source's bytes, coded; an error or an end of either is that of both. */
export function compressStream(source: Readable, coding: Coding): Transform {
  const coder = coding === 'br' ? createBrotliCompress(BROTLI) : createGzip(GZIP)
  // What goes wrong shows on the coder, which Fastify listens to.
  pipeline(source, coder, () => undefined)
  return coder
}
