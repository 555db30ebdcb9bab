import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { startNodeServer } from './processes.ts'

const MAIN = fileURLToPath(new URL('../../test/support/model-simulator/main.ts', import.meta.url))

export const SIMULATED_MODEL = 'simulated'
export const SIMULATOR_KEY = 'test'

/** The model simulator of the tests, answering after `latencyMs`; its base URL ends in `/v1`. */
export async function startSimulator(latencyMs: number): Promise<{ baseUrl: string } & AsyncDisposable> {
  const server = await startNodeServer({
    name: 'model simulator',
    args: [MAIN, '--port', '0', '--latency', String(latencyMs)],
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
