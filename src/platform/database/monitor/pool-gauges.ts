import { Injectable, type OnModuleInit } from '@nestjs/common'
import { InjectMetric } from '@willsoto/nestjs-prometheus'
import { Gauge } from 'prom-client'
import { Database } from '../database.js'
import type { PoolLoad } from '../connection-pool.js'
import { POOL_CONNECTIONS, POOL_IDLE, POOL_MAX, POOL_WAITING } from './database-metrics.js'

/** How full the pools are, read when somebody asks for it. */
@Injectable()
export class PoolGauges implements OnModuleInit {
  constructor(
    private readonly database: Database,
    @InjectMetric(POOL_CONNECTIONS) private readonly connections: Gauge,
    @InjectMetric(POOL_IDLE) private readonly idle: Gauge,
    @InjectMetric(POOL_WAITING) private readonly waiting: Gauge,
    @InjectMetric(POOL_MAX) private readonly max: Gauge,
  ) {}

  onModuleInit(): void {
    this.read(this.connections, ({ total }) => total)
    this.read(this.idle, ({ idle }) => idle)
    this.read(this.waiting, ({ waiting }) => waiting)
    this.read(this.max, ({ max }) => max)
  }

  private read(gauge: Gauge, of: (load: PoolLoad) => number): void {
    const collect = (): void => {
      for (const { name, load } of this.database.pools) gauge.set({ pool: name }, of(load))
    }
    // The library takes one from whoever makes the gauge, who does not have the pools; it asks for it at each scrape all the same.
    Object.assign(gauge, { collect })
  }
}
