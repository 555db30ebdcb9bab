import { randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { InjectRepository } from '@nestjs/typeorm'
import { generateText, type LanguageModel } from 'ai'
import { Repository } from 'typeorm'
import type { Principal } from './jwt.strategy.ts'
import { RunEntity } from './run.entity.ts'
import { RunResponse } from './run.response.ts'

/** DI token: the model that answers, and its name. */
export const MODEL = Symbol('MODEL')

const INSTRUCTIONS = 'You are a senior software developer. Answer with working code and a short explanation.'

@Injectable()
export class AgentsService {
  constructor(
    @InjectRepository(RunEntity) private readonly runs: Repository<RunEntity>,
    @Inject(MODEL) private readonly model: { readonly name: string; readonly model: LanguageModel },
  ) {}

  /** `insert` and `update` rather than `save`, which would read the row first: in the peer's favour. */
  async run({ tenantId, userId }: Principal, agent: string, task: string): Promise<RunResponse> {
    const startedAt = new Date()
    const run = this.runs.create({
      tenantId,
      id: randomUUID(),
      agent,
      agentVersion: 1,
      status: 'running',
      task,
      model: this.model.name,
      inputTokens: 0,
      cachedInputTokens: 0,
      outputTokens: 0,
      reasoningTokens: 0,
      totalTokens: 0,
      cache: 'off',
      attempt: 1,
      metadata: {},
      createdBy: userId,
      fence: '1',
      createdAt: startedAt,
      startedAt,
    })
    await this.runs.insert(run)
    const { text, usage } = await generateText({ model: this.model.model, system: INSTRUCTIONS, prompt: task })
    const finishedAt = new Date()
    const result = {
      status: 'completed',
      output: { text, data: null, citations: [] },
      inputTokens: usage.inputTokens ?? 0,
      outputTokens: usage.outputTokens ?? 0,
      totalTokens: usage.totalTokens ?? 0,
      finishedAt,
      durationMs: finishedAt.getTime() - startedAt.getTime(),
    }
    await this.runs.update({ tenantId, id: run.id }, result)
    return new RunResponse(Object.assign(run, result))
  }
}
