import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isRead, isTenantData, setCachePolicy } from './cache-policy.js'
import { CompressedCopies } from './compressed-copies.js'
import {
  compress,
  compressStream,
  compressSync,
  isCompressible,
  MAX_SYNC_BYTES,
  MIN_COMPRESSED_BYTES,
} from './compression.js'
import { type AcceptedCodings, acceptedCodings, type Coding } from './content-coding.js'
import { entityTag, findMatch, fingerprintOf } from './entity-tag.js'

const OK = 200
const NO_CONTENT = 204
const NOT_MODIFIED = 304
const EVENT_STREAM = 'text/event-stream'

type Done = (error?: Error | null, payload?: unknown) => void

/** One body on its way out. */
interface Answer {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly body: string | Buffer
  /** Null: it gets no tag. */
  readonly fingerprint: string | null
  readonly isPrivate: boolean
}

/** Last of all, gives each answer its cache policy and its tag, answers 304 where that will do, and compresses the rest. */
export class AnswerEncoder {
  private readonly copies = new CompressedCopies()

  /** For Fastify's `onSend`. With a callback, since a promise a request would cost more than most of what happens here. */
  encode(request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void {
    const contentType = reply.getHeader('content-type')
    if (typeof contentType === 'string' && contentType.startsWith(EVENT_STREAM)) return done(null)
    const isPrivate = isTenantData(request)
    const { isStorable, isSecret } = setCachePolicy(request, reply, isPrivate)
    // A body that mixes a secret with what its caller sent would tell the secret by how well it compresses (BREACH).
    const acceptEncoding = isSecret ? undefined : header(request, 'accept-encoding')
    const accepted = acceptedCodings(acceptEncoding === undefined || isCoded(reply) ? undefined : acceptEncoding)
    if (payload instanceof Readable) return this.sendStream(request, reply, payload, accepted.best, done)
    if (!isBody(payload) || reply.statusCode === NO_CONTENT || reply.statusCode === NOT_MODIFIED) return done(null)
    const isTagged = isStorable && reply.statusCode === OK && isRead(request)
    const fingerprint = isTagged ? fingerprintOf(payload) : null
    this.send({ request, reply, body: payload, fingerprint, isPrivate }, accepted, done)
  }

  private send(answer: Answer, accepted: AcceptedCodings, done: Done): void {
    const { request, reply, fingerprint } = answer
    const ifNoneMatch = header(request, 'if-none-match')
    const match = fingerprint !== null && ifNoneMatch ? findMatch(ifNoneMatch, fingerprint, accepted) : null
    const finish = (coded: Buffer | null, coding: Coding | null): void => {
      if (fingerprint !== null) void reply.header('etag', entityTag(fingerprint, coding))
      if (match !== null) return sendNotModified(request, reply, done)
      if (coded === null) return done(null)
      void reply.header('content-encoding', coding).removeHeader('content-length')
      done(null, coded)
    }
    // The client has it, coded or not: no need to compress it again to know its tag.
    if (match !== null && match !== '*') return finish(null, match === 'identity' ? null : match)
    this.sendCoded(answer, accepted, finish)
  }

  /** Compresses the body where the client takes that and it pays, or where it takes nothing else. */
  private sendCoded(
    { reply, body, fingerprint, isPrivate }: Answer,
    { best, readable }: AcceptedCodings,
    finish: (coded: Buffer | null, coding: Coding | null) => void,
  ): void {
    if (best === null || !isCompressible(reply.getHeader('content-type'))) return finish(null, null)
    const bytes = Buffer.byteLength(body)
    const mustCode = !readable.has('identity')
    if (bytes < MIN_COMPRESSED_BYTES && !mustCode) return finish(null, null)
    const finishIfSmaller = (coded: Buffer): void =>
      coded.length < bytes || mustCode ? finish(coded, best) : finish(null, null)
    if (bytes <= MAX_SYNC_BYTES) return finishIfSmaller(compressSync(body, best))
    const copyTag = isPrivate || fingerprint === null ? null : entityTag(fingerprint, best)
    const copy = copyTag === null ? undefined : this.copies.find(copyTag)
    if (copy) return finishIfSmaller(copy)
    compress(body, best, (error, coded) => {
      // Uncompressed is a good answer, too.
      if (error) return finish(null, null)
      if (copyTag !== null) this.copies.add(copyTag, coded)
      finishIfSmaller(coded)
    })
  }

  /** What is streamed has no tag: nobody has seen its end yet. */
  private sendStream(
    request: FastifyRequest,
    reply: FastifyReply,
    source: Readable,
    coding: Coding | null,
    done: Done,
  ): void {
    const bytes = Number(reply.getHeader('content-length') ?? Number.POSITIVE_INFINITY)
    if (coding === null || bytes < MIN_COMPRESSED_BYTES || !isCompressible(reply.getHeader('content-type'))) {
      return done(null)
    }
    void reply.header('content-encoding', coding).removeHeader('content-length')
    // Fastify drops the body itself.
    if (request.method === 'HEAD') return done(null)
    // A source that fails before its first byte is answered with a problem, which nobody codes.
    source.once('error', () => void reply.removeHeader('content-encoding'))
    done(null, compressStream(source, coding))
  }
}

/** Coded by its handler already, or a part of something. */
function isCoded(reply: FastifyReply): boolean {
  return reply.hasHeader('content-encoding') || reply.hasHeader('content-range')
}

function isBody(payload: unknown): payload is string | Buffer {
  return (typeof payload === 'string' || Buffer.isBuffer(payload)) && payload.length > 0
}

function header({ raw: { headers } }: FastifyRequest, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

/** RFC 9110 §15.4.5: what describes the body goes, what describes the cached copy stays. */
function sendNotModified(request: FastifyRequest, reply: FastifyReply, done: Done): void {
  void reply.status(NOT_MODIFIED).removeHeader('content-type').removeHeader('content-length')
  // Fastify's own hook for HEAD knows an empty stream, and no empty body.
  done(null, request.method === 'HEAD' ? Readable.from([]) : null)
}
