import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { FastifyInstance } from 'fastify'
import type { AppConfig } from '../config/app-config.js'
import { docsPolicy } from './edge/security-headers.js'

const NONCE_BYTES = 18
/** They change with a release; until then a page needs no second look. */
const ASSET_CACHE_CONTROL = 'public, max-age=3600'
/** The files of Swagger UI that the page uses. Nothing else of its package is served. */
const ASSETS: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

/** Serves a page at `/docs` to read `/openapi.json` with, and to try it. */
export function serveDocs(fastify: FastifyInstance, config: AppConfig): void {
  fastify.get('/docs', (_request, reply) => {
    const nonce = randomBytes(NONCE_BYTES).toString('base64url')
    void reply
      // A nonce is good for one answer, so nobody may keep it.
      .headers({ 'content-security-policy': docsPolicy(config, nonce), 'cache-control': 'no-store' })
      .type('text/html; charset=utf-8')
      .send(toHtml(nonce))
  })
  fastify.get('/docs/', (_request, reply) => reply.redirect('../docs', 308))
  // The very files that @nestjs/swagger depends on, wherever npm has put them.
  const swagger = createRequire(createRequire(import.meta.url).resolve('@nestjs/swagger'))
  for (const [name, type] of Object.entries(ASSETS)) {
    let content: Promise<Buffer> | undefined
    fastify.get(`/docs/${name}`, async (_request, reply) => {
      content ??= readFile(swagger.resolve(`swagger-ui-dist/${name}`))
      void reply.header('cache-control', ASSET_CACHE_CONTROL).type(type)
      return content
    })
  }
}

/** Swagger's own page has styles and attributes without a nonce. Relative addresses, for a proxy that adds a prefix. */
function toHtml(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TempoNest API</title>
<link rel="icon" type="image/png" href="./docs/favicon-32x32.png">
<link rel="stylesheet" href="./docs/swagger-ui.css" nonce="${nonce}">
<style nonce="${nonce}">body { margin: 0; background: #fafafa }</style>
</head>
<body>
<div id="swagger-ui"></div>
<script src="./docs/swagger-ui-bundle.js" nonce="${nonce}"></script>
<script nonce="${nonce}">SwaggerUIBundle({ url: './openapi.json', dom_id: '#swagger-ui', deepLinking: true })</script>
</body>
</html>
`
}
