import { Injectable, type OnModuleInit } from '@nestjs/common'
import { InjectMetric } from '@willsoto/nestjs-prometheus'
import { Histogram } from 'prom-client'
import { QUERY_DURATION } from './database-metrics.js'
import { DurationSeries } from './duration-series.js'
import { NPlusOneDetector } from './n-plus-one-detector.js'
import { PoolMonitor } from './pool-monitor.js'
import { QUERY_CLASSES, type QueryClass } from './query-class.js'
import { SlowQueryLog } from './slow-query-log.js'

/** Makes the monitors of the pools. */
@Injectable()
export class DatabaseMonitor implements OnModuleInit {
  private readonly series: DurationSeries[] = []

  constructor(
    private readonly slowQueries: SlowQueryLog,
    private readonly nPlusOne: NPlusOneDetector,
    @InjectMetric(QUERY_DURATION) private readonly durations: Histogram,
  ) {}

  onModuleInit(): void {
    const collect = (): void => this.series.forEach((one) => one.flush())
    // As with the gauges: the library asks for it at each scrape.
    Object.assign(this.durations, { collect })
  }

  /** @param servesRequests whether what goes over it is a request's own, and counts as such */
  forPool(pool: string, { servesRequests }: { servesRequests: boolean }): PoolMonitor {
    const series = QUERY_CLASSES.map((name) => [name, new DurationSeries(this.durations.labels(pool, name))] as const)
    this.series.push(...series.map(([, one]) => one))
    return new PoolMonitor({
      pool,
      durations: Object.fromEntries(series) as Record<QueryClass, DurationSeries>,
      slowQueries: this.slowQueries,
      ...(servesRequests && this.nPlusOne.isOn && { nPlusOne: this.nPlusOne }),
    })
  }
}
