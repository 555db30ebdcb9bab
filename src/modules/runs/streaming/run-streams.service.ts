import type { OutgoingHttpHeaders } from 'node:http'
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { PinoLogger } from 'nestjs-pino'
import { AppError } from '#kernel/app-error.js'
import { PrincipalCheck } from '#modules/auth'
import { AppConfig } from '#platform/config/app-config.js'
import { endDeadline } from '#platform/http/edge/answer-deadline.js'
import type { Principal } from '#platform/http/principal.js'
import { isFinished } from '../run-status.js'
import type { EventPage } from './event-stream.js'
import { OpenRunStream } from './open-run-stream.js'
import { RunEventLog } from './run-event-log.service.js'
import { RunEventsRepository } from './run-events.repository.js'
import { RunFeed } from './run-feed.service.js'

/** A notification that is lost delays a stream by this at most. */
const RECHECK_MS = 5000
const RETRY_AFTER_SECONDS = 2
const NO_CONTENT = 204
const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'private, no-cache, no-transform',
  vary: 'Authorization, Accept',
  // nginx would hold events back until its buffer is full.
  'x-accel-buffering': 'no',
}

/** Who wants to follow which run, from where on. */
export interface StreamRequest {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly principal: Principal
  readonly runId: string
  /** Number of the last event that the reader has; 0: none. */
  readonly after: number
}

/** The event streams that are open on this replica. */
@Injectable()
export class RunStreams implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly streams = new Set<OpenRunStream>()
  /** Of the open streams, by tenant. */
  private readonly counts = new Map<string, number>()
  private isStopping = false
  private isRechecking = false
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly feed: RunFeed,
    private readonly log: RunEventLog,
    private readonly events: RunEventsRepository,
    private readonly principals: PrincipalCheck,
    private readonly config: AppConfig,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(RunStreams.name)
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.recheck(), RECHECK_MS)
  }

  /** First of all that stops: readers go to another replica while this one is still finishing its work. */
  onModuleDestroy(): void {
    this.isStopping = true
    clearInterval(this.timer)
    for (const stream of this.streams) stream.end()
  }

  get openCount(): number {
    return this.streams.size
  }

  /** @throws AppError `rate_limited` when the tenant has enough of them, `unavailable` when this replica takes no more */
  assertRoom({ tenantId }: Pick<Principal, 'tenantId'>): void {
    const { RUN_STREAMS_MAX, RUN_TENANT_STREAMS_MAX } = this.config.settings
    if ((this.counts.get(tenantId) ?? 0) >= RUN_TENANT_STREAMS_MAX) {
      const detail = `Your team has ${RUN_TENANT_STREAMS_MAX} open streams here already: end some, or poll the logs of the run.`
      throw new AppError('rate_limited', 'rate_limited', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    if (!this.isStopping && this.streams.size < RUN_STREAMS_MAX) return
    throw noRoom()
  }

  /**
   * Takes over the connection and sends the run's events from `after` on, until the run or the reader ends. A reader who
   * has all of a finished run gets 204, which tells a browser's EventSource not to come back.
   * @throws AppError `not_found`, `rate_limited`, `unavailable`; the connection is then still the caller's
   */
  async open({ request, reply, principal, runId, after }: StreamRequest): Promise<void> {
    this.assertRoom(principal)
    const { tenantId } = principal
    const stream = this.prepare({ request, response: reply.raw, tenantId, runId, after })
    try {
      const page = await this.log.read(tenantId, runId, after)
      if (this.isStopping) throw noRoom()
      if (page.isOver && page.events.length === 0) void reply.status(NO_CONTENT).send()
      else if (request.method === 'HEAD') void reply.headers(STREAM_HEADERS).send()
      else return this.start(stream, reply, page)
    } catch (error) {
      stream.close()
      throw error
    }
    stream.close()
  }

  private prepare({
    request,
    ...reader
  }: Pick<OpenRunStream, 'tenantId' | 'runId'> & {
    request: FastifyRequest
    response: FastifyReply['raw']
    after: number
  }): OpenRunStream {
    const { tenantId, runId } = reader
    const stream: OpenRunStream = new OpenRunStream({
      ...reader,
      heartbeatMs: this.config.settings.RUN_STREAM_HEARTBEAT_MS,
      read: (after) => this.log.read(tenantId, runId, after).catch((error: unknown) => this.fail(stream, error)),
      mayGoOn: () => this.principals.isStillValid(request),
      onBroken: (error) => this.tellBroken(error, runId),
    })
    this.count(stream, 1)
    stream.held.defer(() => this.count(stream, -1))
    // Before the first read: what happens in between is heard twice rather than not at all.
    stream.held.use(this.feed.subscribe(runId, (events) => stream.events.take(events)))
    return stream
  }

  private start(stream: OpenRunStream, reply: FastifyReply, page: EventPage): void {
    endDeadline(reply)
    const headers = { ...reply.getHeaders(), ...STREAM_HEADERS } as OutgoingHttpHeaders
    reply.hijack()
    try {
      stream.start(headers, page)
    } catch (error) {
      // Nobody else can answer any more: the client would wait for ever.
      stream.close()
      reply.raw.destroy()
      this.tellBroken(error, stream.runId)
    }
  }

  private count(stream: OpenRunStream, change: 1 | -1): void {
    const { tenantId } = stream
    const count = (this.counts.get(tenantId) ?? 0) + change
    if (change === 1) this.streams.add(stream)
    else this.streams.delete(stream)
    if (count > 0) this.counts.set(tenantId, count)
    else this.counts.delete(tenantId)
  }

  private tellBroken(error: unknown, runId: string): void {
    this.logger.error({ err: error, event: 'run_stream_broken', runId }, 'run_stream_broken')
  }

  /** The run is gone, or the database away: then the stream looks again when it is next told to. */
  private fail(stream: OpenRunStream, error: unknown): never {
    if (error instanceof AppError && error.kind === 'not_found') stream.end()
    else this.logger.warn({ err: error, event: 'run_stream_read_failed' }, 'run_stream_read_failed')
    throw error
  }

  /** One statement a tenant, however many streams it has open. */
  private async recheck(): Promise<void> {
    if (this.isRechecking) return
    this.isRechecking = true
    try {
      for (const [tenantId, streams] of Map.groupBy(this.streams, (stream) => stream.tenantId)) {
        const runIds = [...new Set(streams.map(({ runId }) => runId))]
        const known = await this.events.listProgress(tenantId, runIds)
        const byRun = new Map(known.map((progress) => [progress.runId, progress]))
        for (const { runId, events } of streams) {
          const progress = byRun.get(runId)
          if (!progress || progress.lastEvent > events.position || isFinished(progress.status)) events.look()
        }
      }
    } catch (error) {
      this.logger.warn({ err: error, event: 'run_stream_recheck_failed' }, 'run_stream_recheck_failed')
    } finally {
      this.isRechecking = false
    }
  }
}

function noRoom(): AppError {
  const detail = 'This server has as many open streams as it can: poll the logs of the run, or try again.'
  return new AppError('unavailable', 'unavailable', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
}
