import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import type { Settings } from '../../config/settings.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of @fastify/under-pressure: answers in its stead, or lets the request pass. */
    pressureHandler?: () => undefined
  }
}

/** Who asks these must hear from a busy server, too: a restart or a blind spot would make it worse. */
const PROBES = new Set(['/health/liveness', '/health/readiness', '/metrics'])
const MIN_SAMPLE_INTERVAL_MS = 1000
const MS_PER_SECOND = 1000

/** Refuses requests at once while the process cannot keep up, before they cost anything. */
export function shedLoad(fastify: FastifyInstance, settings: Settings): void {
  const { MAX_EVENT_LOOP_DELAY_MS: maxEventLoopDelay, MAX_HEAP_USED_BYTES: maxHeapUsedBytes } = settings
  if (maxEventLoopDelay === 0 && maxHeapUsedBytes === 0) return
  // An interval in which the loop never turned counts as endless delay: it must not be shorter than the limit.
  const sampleInterval = Math.max(MIN_SAMPLE_INTERVAL_MS, maxEventLoopDelay)
  const retryAfterSeconds = Math.ceil(sampleInterval / MS_PER_SECOND)
  fastify.addHook('onRoute', (route) => {
    if (PROBES.has(route.url)) route.config = { ...route.config, pressureHandler: () => undefined }
  })
  void fastify.register(underPressure, {
    maxEventLoopDelay,
    maxHeapUsedBytes,
    sampleInterval,
    pressureHandler: () => {
      throw new AppError('unavailable', 'unavailable', { detail: 'The server is overloaded.', retryAfterSeconds })
    },
  })
}
