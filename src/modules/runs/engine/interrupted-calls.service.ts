import { Injectable } from '@nestjs/common'
import { TenantsSpendingRules } from '#modules/costs'
import { type ModelMessage, TokenCounter } from '#modules/models'
import { Database } from '#platform/database/database.js'
import type { ClaimedRun } from './claimed-run.js'
import { JournalRepository } from './journal.repository.js'
import { endOf, type ModelStep } from './journal.js'
import { conversationOf } from './next-move.js'
import type { RunContext } from './run-context.js'
import { priceUses } from './price-uses.js'
import { PromptSizes } from './prompt-sizes.service.js'
import type { RunSession } from './run-session.js'
import { usageOf } from './usage.js'

const NOTHING_REPORTED = { isReported: false, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 }

/** Accounts for model calls that were in flight when their worker was lost. */
@Injectable()
export class InterruptedCalls {
  constructor(
    private readonly database: Database,
    private readonly rows: JournalRepository,
    private readonly sizes: PromptSizes,
    private readonly tokens: TokenCounter,
    private readonly rules: TenantsSpendingRules,
  ) {}

  /**
   * A call that was in flight when its worker was lost has cost something that nobody has written down: what was sent and what
   * had come of it by then are counted, once, however the run goes on.
   * @param context null: it cannot be had any more; then the task stands for what was sent
   */
  async count(session: RunSession, context: RunContext | null): Promise<void> {
    const { run, steps, uncounted } = session
    const step = steps.find(({ position }) => position === uncounted)
    if (step?.kind !== 'model') return
    const texts = await this.database.workers.transaction({ tenantId: run.tenantId }, (tx) =>
      this.rows.listTexts(run, step.startedAt, tx),
    )
    const [rules, inputTokens, outputTokens] = await Promise.all([
      this.rules.of(run.tenantId, 'workers'),
      context ? this.sizes.count(context, messagesOf(session, step, context)) : this.countTask(run),
      this.tokens.count(texts.join('')),
    ])
    const usage = { ...NOTHING_REPORTED, inputTokens, outputTokens }
    const uses = priceUses([{ model: step.name, usage, isEstimated: true, outcome: 'aborted' }], rules, step.startedAt)
    session.uncounted = null
    session.defer({ end: [{ ...endOf(step.position, 'running', null), usage: usageOf(uses), uses }] })
  }

  private countTask({ task, context }: ClaimedRun): Promise<number> {
    return this.tokens.countAll(context === null ? [task] : [task, context])
  }
}

function messagesOf({ steps }: RunSession, { request }: ModelStep, { prompt, rules }: RunContext): ModelMessage[] {
  const messages = conversationOf(steps, prompt.prompt, rules)
  return request.repair === undefined ? messages : [...messages, { role: 'user', text: request.repair }]
}
