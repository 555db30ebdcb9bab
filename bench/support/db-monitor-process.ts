/**
 * `node db-monitor-process.ts <pairs>`: our built app in this process, asked for one run in three ways, by turns with the database
 * monitor and without it. Settings come from the environment. Prints, for each way, the microseconds of CPU that one operation
 * took in each block, as JSON.
 */
const dist = new URL('../../dist/', import.meta.url)
// oxlint-disable-next-line typescript/no-explicit-any -- the built app has no types here, and what is taken from it is named
const load = async (path: string): Promise<any> => import(new URL(path, dist).href)

const OPERATIONS_PER_BLOCK = 128
const AT_ONCE = 16
const WARM_UP_BLOCKS = 40
const pairs = Number(process.argv[2])

await import(new URL('../../node_modules/reflect-metadata/Reflect.js', import.meta.url).href)
const { AppConfig } = await load('platform/config/app-config.js')
const { provisionDatabase } = await load('platform/database/provision.js')
const { Database } = await load('platform/database/database.js')
const { createRootLogger } = await load('platform/logging/root-logger.js')
const { requestContext } = await load('platform/http/request-context.js')
const { createApp } = await load('server.js')

const config = AppConfig.fromProcess()
const database = await provisionDatabase(config)
const app = await createApp({ config, logger: createRootLogger(config), databaseUrl: database.appUrl })
await app.init()
const payload = { email: 'bench@example.com', password: 'Bench-Password-1' }
const { accessToken, tenant } = (await app.inject({ method: 'POST', url: '/v1/auth/register', payload })).json()
const headers = { authorization: `Bearer ${accessToken}` }
const task = { method: 'POST', url: '/v1/agents/developer/run', headers, payload: { task: 'Say hello.' } }
const run = (await app.inject(task)).json()

const pool = app.get(Database).requests
const { monitor } = pool.options
if (!monitor) throw new Error('the pool of requests has no monitor')
const scope = { tenantId: tenant.id }
const statement = {
  name: 'bench_find_run',
  text: 'SELECT id, status, task, model, metadata, created_at FROM runs WHERE tenant_id = $1 AND id = $2',
  values: [tenant.id, run.id],
}
// oxlint-disable-next-line typescript/no-explicit-any -- the built app has no types here
const findInTransaction = (): Promise<unknown> => pool.transaction(scope, (tx: any) => tx.query(statement))
const ways: Record<string, () => Promise<unknown>> = {
  'one statement, one message': () => pool.read(scope, statement),
  'a transaction of one statement': findInTransaction,
  'GET /v1/runs/{id}': async () => {
    const { statusCode } = await app.inject({ url: `/v1/runs/${run.id}`, headers })
    if (statusCode !== 200) throw new Error(`GET /v1/runs/{id} is ${statusCode}`)
  },
}

const results: Record<string, { on: number[]; off: number[] }> = {}
for (const [name, operation] of Object.entries(ways)) {
  const taken = { on: [] as number[], off: [] as number[] }
  for (let block = 0; block < WARM_UP_BLOCKS; block++) await measure(operation, block % 2 === 0)
  for (let pair = 0; pair < pairs; pair++) {
    // Whoever goes second finds another heap: each goes second as often.
    for (const isOn of pair % 2 === 0 ? [true, false] : [false, true]) {
      taken[isOn ? 'on' : 'off'].push(await measure(operation, isOn))
    }
  }
  results[name] = taken
}
process.stdout.write(JSON.stringify(results))
await app.close()
await database.close()

/** Microseconds of this process's CPU for one operation. */
async function measure(operation: () => Promise<unknown>, isOn: boolean): Promise<number> {
  pool.options.monitor = isOn ? monitor : undefined
  const before = process.cpuUsage()
  let left = OPERATIONS_PER_BLOCK
  const worker = async (): Promise<void> => {
    // As in a request of its own, since that is what the monitor looks at.
    while (left-- > 0) await requestContext.run({ requestId: 'bench' }, operation)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / OPERATIONS_PER_BLOCK
}
