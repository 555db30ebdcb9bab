import { makeCounterProvider, makeGaugeProvider, makeHistogramProvider } from '@willsoto/nestjs-prometheus'

export const QUERY_DURATION = 'temponest_db_query_duration_seconds'
export const SLOW_QUERIES = 'temponest_db_slow_queries_total'
export const N_PLUS_ONE = 'temponest_db_n_plus_one_total'
export const POOL_CONNECTIONS = 'temponest_db_pool_connections'
export const POOL_IDLE = 'temponest_db_pool_idle_connections'
export const POOL_WAITING = 'temponest_db_pool_waiting'
export const POOL_MAX = 'temponest_db_pool_max_connections'

const PER_QUERY = ['pool', 'class']

export const databaseMetricsProviders = [
  makeHistogramProvider({
    name: QUERY_DURATION,
    help: 'Time from a statement being sent to its answer; of statements that are sent as one, of all of them.',
    labelNames: PER_QUERY,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
  }),
  makeCounterProvider({
    name: SLOW_QUERIES,
    help: 'Answers that took DATABASE_SLOW_QUERY_MS or longer.',
    labelNames: PER_QUERY,
  }),
  makeCounterProvider({
    name: N_PLUS_ONE,
    help: 'Statements that one request said more than ten times; not counted in production.',
  }),
  makeGaugeProvider({ name: POOL_CONNECTIONS, help: 'Connections that are open.', labelNames: ['pool'] }),
  makeGaugeProvider({ name: POOL_IDLE, help: 'Connections that nobody uses.', labelNames: ['pool'] }),
  makeGaugeProvider({ name: POOL_WAITING, help: 'Who waits for a connection.', labelNames: ['pool'] }),
  makeGaugeProvider({ name: POOL_MAX, help: 'Connections that may be open.', labelNames: ['pool'] }),
]
