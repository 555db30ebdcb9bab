import fastifyCookie from '@fastify/cookie'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { PinoLogger } from 'nestjs-pino'
import type { Logger } from 'pino'
import type { AppConfig } from '../config/app-config.js'
import { HttpMetrics } from '../telemetry/http-metrics.js'
import { spellIdsAsStored } from './canonical-ids.js'
import { serveDocs } from './docs-page.js'
import { buildOpenApiDocument, serveOpenApi } from './openapi.js'
import { ProblemFilter } from './problem.filter.js'
import { installRequestHooks } from './request-hooks.js'
import { UndeclaredBodyGuard } from './undeclared-body.guard.js'
import { createValidationPipe } from './validation.pipe.js'

/** Sets up what holds for every route. Call once, before the app listens. */
export async function configureApp(
  app: NestFastifyApplication,
  { config, logger, version }: { config: AppConfig; logger: Logger; version: string },
): Promise<void> {
  const metrics = app.get(HttpMetrics)
  await app.register(fastifyCookie)
  const fastify = app.getHttpAdapter().getInstance()
  installRequestHooks(fastify, {
    logger,
    onFinished: (request) => metrics.observe(request),
  })
  spellIdsAsStored(fastify)
  // After the modules' guards: whoever may not call a route is told so first.
  app.useGlobalGuards(new UndeclaredBodyGuard())
  app.useGlobalPipes(createValidationPipe())
  app.useGlobalFilters(new ProblemFilter(await app.resolve(PinoLogger)))
  serveOpenApi(app, buildOpenApiDocument(app, version))
  serveDocs(fastify, config)
}
