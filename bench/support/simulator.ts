import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { startNodeServer } from './processes.ts'

const MAIN = fileURLToPath(new URL('../../test/support/model-simulator/main.ts', import.meta.url))

export const SIMULATED_MODEL = 'simulated'
export const SIMULATOR_KEY = 'test'

export interface SimulatorSettings {
  /** Before the answer's headers. */
  readonly latencyMs: number
  /** Pace of a streamed answer; as fast as it can when absent. */
  readonly tokensPerSecond?: number
  /** What it always says; else it repeats the task. */
  readonly reply?: string
}

/** The model simulator of the tests; its base URL ends in `/v1`. */
export async function startSimulator({
  latencyMs,
  tokensPerSecond = 0,
  reply,
}: SimulatorSettings): Promise<{ baseUrl: string } & AsyncDisposable> {
  const pace = ['--latency', String(latencyMs), '--tokens-per-second', String(tokensPerSecond)]
  const server = await startNodeServer({
    name: 'model simulator',
    args: [MAIN, '--port', '0', ...pace, ...(reply === undefined ? [] : ['--reply', reply])],
    ready: z.object({ baseUrl: z.string() }),
  })
  return Object.assign(server, server.ready)
}

/** What points our app at the simulator. */
export function simulatorEnvironment(simulator: { baseUrl: string }): Record<string, string> {
  return {
    OPENAI_BASE_URL: simulator.baseUrl,
    OPENAI_API_KEY: SIMULATOR_KEY,
    DEFAULT_MODEL: `openai/${SIMULATED_MODEL}`,
  }
}
