import { Injectable, type OnModuleDestroy } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'

const MAX_EXPORTS = 6
const MAX_EXPORTS_OF_TENANT = 2
/** Ten million entries, to a client of a modest pace. */
const MAX_EXPORT_MS = 3_600_000
const RETRY_AFTER_SECONDS = 10

/** A place in which an export is made. */
export interface ExportPlace {
  /** Aborts when the export has had its time, or the server stops. */
  readonly signal: AbortSignal
  /** Gives the place back; for a second time it does nothing. */
  leave(): void
}

/** How many exports this replica makes at once, and for how long. */
@Injectable()
export class ExportPlaces implements OnModuleDestroy {
  private readonly taken = new Set<{ tenantId: string; cut: AbortController }>()
  private readonly graceMs: number

  constructor({ settings }: AppConfig) {
    this.graceMs = settings.SHUTDOWN_GRACE_MS / 2
  }

  /** How many there are just now. */
  get count(): number {
    return this.taken.size
  }

  /** @throws AppError `rate_limited` when the tenant has enough of them, `unavailable` when this replica takes no more */
  take(tenantId: string): ExportPlace {
    const ofTenant = [...this.taken].filter((place) => place.tenantId === tenantId).length
    if (ofTenant >= MAX_EXPORTS_OF_TENANT) {
      const detail = `Your team has ${ofTenant} exports under way: wait until one has ended.`
      throw new AppError('rate_limited', 'rate_limited', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    if (this.taken.size >= MAX_EXPORTS) {
      const detail = 'There are as many exports under way as this server makes at once.'
      throw new AppError('unavailable', 'unavailable', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    const place = { tenantId, cut: new AbortController() }
    this.taken.add(place)
    const timer = setTimeout(() => place.cut.abort(new Error('the export took too long')), MAX_EXPORT_MS).unref()
    return {
      signal: place.cut.signal,
      leave: () => {
        clearTimeout(timer)
        this.taken.delete(place)
      },
    }
  }

  /** What ends soon may; the rest breaks off before it keeps the server from stopping in order. */
  onModuleDestroy(): void {
    setTimeout(() => {
      for (const { cut } of this.taken) cut.abort(new Error('the server stops'))
    }, this.graceMs).unref()
  }
}
