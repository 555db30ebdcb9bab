import { Module } from '@nestjs/common'
import { ModelClient } from './model-client.js'
import { ModelRegistry } from './model-registry.js'
import { TokenCounter } from './token-counter.js'

@Module({ providers: [ModelRegistry, ModelClient, TokenCounter], exports: [ModelRegistry, ModelClient] })
export class ModelsModule {}
