/**
 * The simulator in a process of its own, for benchmarks. Prints `{"baseUrl":"http://127.0.0.1:<port>/v1"}` when it is ready.
 * node test/support/model-simulator/main.ts --port 0 --latency 0 --tokens-per-second 0 --reply text
 */
import { parseArgs } from 'node:util'
import { ModelSimulator } from '../model-simulator.ts'

/** Nobody reads the records of this process; they must not grow with a benchmark. */
const RECORD_LIMIT = 1

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    latency: { type: 'string', default: '0' },
    'tokens-per-second': { type: 'string', default: '0' },
    reply: { type: 'string' },
  },
})

const simulator = await ModelSimulator.start({
  port: Number(values.port),
  latencyMs: Number(values.latency),
  tokensPerSecond: Number(values['tokens-per-second']),
  recordLimit: RECORD_LIMIT,
  ...(values.reply === undefined ? {} : { reply: values.reply }),
})
process.stdout.write(`${JSON.stringify({ baseUrl: simulator.baseUrl })}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void simulator.stop())
