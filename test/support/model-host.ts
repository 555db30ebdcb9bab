import 'reflect-metadata'
import { type INestApplicationContext, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { pino } from 'pino'
import {
  type ModelCall,
  ModelClient,
  type ModelDelta,
  type ModelOutcome,
  ModelRegistry,
  TokenCounter,
} from '#modules/models'
import { AppConfig } from '#platform/config/app-config.js'
import { modelCallProviders } from '../../src/modules/models/models.module.js'
import { LoggingModule } from '#platform/logging/logging.module.js'

const WARM_UP_MS = 60_000
/** Signs nothing here; without one, development would make its own under DATA_DIR. */
const JWT_SECRET = 'a secret that has more than 32 characters'

export interface RecordedCall {
  readonly outcome: Promise<ModelOutcome>
  /** As they came. */
  readonly deltas: readonly ModelDelta[]
  readonly abort: () => void
}

/** The models module as it is wired, without a database: for calls of models by themselves. */
export class ModelHost implements AsyncDisposable {
  private constructor(private readonly context: INestApplicationContext) {}

  static async start(env: Record<string, string>): Promise<ModelHost> {
    const config = AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET, ...env })
    const platform = {
      module: class Platform {},
      global: true,
      imports: [LoggingModule.forRoot(pino({ level: 'silent' }))],
      providers: [{ provide: AppConfig, useValue: config }],
      exports: [AppConfig, LoggingModule],
    }
    Module({})(platform.module)
    const root = { module: class Root {}, imports: [platform], providers: modelCallProviders }
    Module({})(root.module)
    return new ModelHost(await NestFactory.createApplicationContext(root, { logger: false, abortOnError: false }))
  }

  get registry(): ModelRegistry {
    return this.context.get(ModelRegistry, { strict: false })
  }

  /** Until the counting thread is there: on a busy machine its start can take longer than a call waits for it. */
  async warmCounter(): Promise<void> {
    await this.context.get(TokenCounter, { strict: false }).countEach(['warm'], { timeoutMs: WARM_UP_MS })
  }

  /** Starts a call of `openai/gpt-test`, or as the test has it, and records what it says. */
  call(overrides: Partial<ModelCall> = {}): RecordedCall {
    const deltas: ModelDelta[] = []
    const abort = new AbortController()
    const outcome = this.context.get(ModelClient, { strict: false }).call({
      models: ['openai/gpt-test'],
      instructions: 'You are terse.',
      messages: [{ role: 'user', text: 'Say hello' }],
      tools: [],
      material: { task: 'Say hello' },
      callId: 'call',
      signal: abort.signal,
      onDelta: (delta) => deltas.push(delta),
      ...overrides,
    })
    return { outcome, deltas, abort: () => abort.abort() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close()
  }
}

/** What a reader of the deltas has in the end: at a seam, all but what is kept goes. */
export function heard(deltas: readonly ModelDelta[]): string {
  return deltas.reduce((text, delta) => (delta.seam ? text.slice(0, delta.seam.keptCharacters) : text) + delta.text, '')
}
