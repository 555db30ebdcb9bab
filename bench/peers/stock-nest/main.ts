/**
 * The stock way to serve `GET /v1/runs/:id` and `POST /v1/agents/:slug/run`, as the documentation of Nest and of the AI SDK
 * teaches it: Express, passport-jwt, class-validator, @nestjs/throttler, TypeORM, generateText.
 * `main.ts <database URL> <tenant id> [model's base URL]` prints `{"baseUrl":…,"token":…}` once it serves; the token speaks
 * for that tenant.
 */
import 'reflect-metadata'
import { ValidationPipe } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { JwtService } from '@nestjs/jwt'
import { AppModule } from './app.module.ts'

const [databaseUrl, tenantId, modelBaseUrl = ''] = process.argv.slice(2)
if (databaseUrl === undefined || tenantId === undefined) {
  throw new Error("usage: main.ts <database URL> <tenant id> [model's base URL]")
}

const app = await NestFactory.create(AppModule.forRoot({ databaseUrl, modelBaseUrl }), { logger: ['error', 'warn'] })
app.setGlobalPrefix('v1')
app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }))
app.enableShutdownHooks()
await app.listen(0, '127.0.0.1')

const token = await app
  .get(JwtService)
  .signAsync({ sub: '00000000-0000-7000-8000-000000000001', tenantId, role: 'owner' })
console.log(JSON.stringify({ baseUrl: await app.getUrl(), token }))
