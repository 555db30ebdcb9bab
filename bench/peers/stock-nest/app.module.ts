import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { type DynamicModule, Module } from '@nestjs/common'
import { APP_GUARD } from '@nestjs/core'
import { JwtModule } from '@nestjs/jwt'
import { PassportModule } from '@nestjs/passport'
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler'
import { TypeOrmModule } from '@nestjs/typeorm'
import { AgentsController } from './agents.controller.ts'
import { AgentsService, MODEL } from './agents.service.ts'
import { JWT_SECRET, JwtStrategy } from './jwt.strategy.ts'
import { RunEntity } from './run.entity.ts'
import { RunsController } from './runs.controller.ts'
import { RunsService } from './runs.service.ts'

/**
 * The limit must never be hit here, but the in-memory storage walks every hit in the window on every request (6.7.1), and
 * in earnest the limit bounds that walk. A window of 100 ms holds some hundred hits at this load, like a limit of a few
 * hundred a minute; a minute's window would hold 100 000 and flatter us.
 */
const THROTTLER_WINDOW_MS = 100

export interface PeerOptions {
  readonly databaseUrl: string
  /** Of a server that speaks OpenAI's protocol. */
  readonly modelBaseUrl: string
}

const MODEL_NAME = 'simulated'

@Module({})
export class AppModule {
  static forRoot({ databaseUrl: url, modelBaseUrl: baseURL }: PeerOptions): DynamicModule {
    const provider = createOpenAICompatible({ name: 'openai', baseURL, apiKey: 'test' })
    const model = { name: `openai/${MODEL_NAME}`, model: provider(MODEL_NAME) }
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRoot({ type: 'postgres', url, entities: [RunEntity], poolSize: 10 }),
        TypeOrmModule.forFeature([RunEntity]),
        PassportModule,
        JwtModule.register({ secret: JWT_SECRET, signOptions: { expiresIn: '1h' } }),
        ThrottlerModule.forRoot([{ ttl: THROTTLER_WINDOW_MS, limit: 1_000_000_000 }]),
      ],
      controllers: [RunsController, AgentsController],
      providers: [
        RunsService,
        AgentsService,
        JwtStrategy,
        { provide: MODEL, useValue: model },
        { provide: APP_GUARD, useClass: ThrottlerGuard },
      ],
    }
  }
}
