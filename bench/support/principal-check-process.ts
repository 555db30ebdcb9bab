/**
 * `node principal-check-process.ts <checks>`: our built app in this process, and its authentication guard asked who is behind
 * one access token, so many times, one after the other, warm. Settings come from the environment. Prints the milliseconds
 * of each check as a JSON list.
 */
const dist = new URL('../../dist/', import.meta.url)
// oxlint-disable-next-line typescript/no-explicit-any -- the built app has no types here, and what is taken from it is named
const load = async (path: string): Promise<any> => import(new URL(path, dist).href)

const WARM_UP = 2000
const checks = Number(process.argv[2])

await import(new URL('../../node_modules/reflect-metadata/Reflect.js', import.meta.url).href)
const { AppConfig } = await load('platform/config/app-config.js')
const { provisionDatabase } = await load('platform/database/provision.js')
const { createRootLogger } = await load('platform/logging/root-logger.js')
const { createApp } = await load('server.js')
const { AuthenticationGuard } = await load('modules/auth/access/authentication.guard.js')
const { VerifiedTokens } = await load('modules/auth/sessions/verified-tokens.js')
const { Principals } = await load('modules/auth/access/principals.service.js')
const { Reflector } = await import(new URL('../../node_modules/@nestjs/core/index.js', import.meta.url).href)
const { AccountController } = await load('modules/auth/accounts/account.controller.js')

const config = AppConfig.fromProcess()
const database = await provisionDatabase(config)
const app = await createApp({ config, logger: createRootLogger(config), databaseUrl: database.appUrl })
await app.init()
const payload = { email: 'bench@example.com', password: 'Bench-Password-1' }
const answer = await app.inject({ method: 'POST', url: '/v1/auth/register', payload })
const { accessToken } = answer.json()

// Its signature is checked once, and known from then on.
await app.inject({ url: '/v1/auth/me', headers: { authorization: `Bearer ${accessToken}` } })

const guard = new AuthenticationGuard(
  app.get(Reflector),
  app.get(VerifiedTokens, { strict: false }),
  app.get(Principals, { strict: false }),
)
const request: Record<string, unknown> = { headers: { authorization: `Bearer ${accessToken}` }, cookies: {} }
const context = {
  getHandler: () => AccountController.prototype.getMe,
  switchToHttp: () => ({ getRequest: () => request }),
}
const latenciesMs: number[] = []
for (let check = -WARM_UP; check < checks; check++) {
  request['principal'] = undefined
  const startedAt = performance.now()
  await guard.canActivate(context)
  const ms = performance.now() - startedAt
  if (request['principal'] === undefined)
    throw new Error('the guard did not know the principal', { cause: request['refusal'] })
  if (check >= 0) latenciesMs.push(ms)
}
process.stdout.write(JSON.stringify(latenciesMs))
await app.close()
await database.close()
