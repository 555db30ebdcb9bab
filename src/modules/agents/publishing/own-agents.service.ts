import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import {
  type Agent,
  agentAddress,
  type CreateAgentCommand,
  toAgent,
  type UpdateAgentCommand,
} from '../agents.schemas.js'
import { newContent } from './agent-changes.js'
import { AgentCheck } from './agent-check.service.js'
import { AgentWriter } from './agent-writer.service.js'

const CREATED = 201

/** A tenant's own agents: made, changed by publishing the next version, deleted. */
@Injectable()
export class OwnAgents {
  constructor(
    private readonly database: Database,
    private readonly checks: AgentCheck,
    private readonly writer: AgentWriter,
    private readonly idempotency: Idempotency,
    private readonly answers: ResponseCache,
  ) {}

  /** @throws AppError `validation_failed`, `slug_taken`, `agent_limit_reached`, `idempotency_in_flight` */
  async create({ tenantId, userId }: Principal, { slug, ...fields }: CreateAgentCommand): Promise<Agent> {
    const key = { tenantId, slug }
    this.checks.assertFree(slug)
    await this.checks.check(key, fields)
    const created = await this.database.transaction({ tenantId }, async (tx) => {
      const agent = toAgent(await this.writer.create(key, { content: newContent(fields), createdBy: userId }, tx), {
        builtIn: false,
      })
      await this.idempotency.complete({ status: CREATED, body: agent, location: agentAddress(slug) }, tx)
      return agent
    })
    await this.forgetAnswers(tenantId)
    return created
  }

  /** Publishes the next version, unless nothing changes. @throws AppError `not_found`, `agent_built_in`, `validation_failed` */
  async update({ tenantId, userId }: Principal, slug: string, changes: UpdateAgentCommand): Promise<Agent> {
    const key = { tenantId, slug }
    await this.checks.assertOwn(key)
    await this.checks.check(key, changes)
    const { agent, isNew } = await this.database.transaction({ tenantId }, (tx) =>
      this.writer.publish(key, { changes, createdBy: userId }, tx),
    )
    if (isNew) await this.forgetAnswers(tenantId)
    return toAgent(agent, { builtIn: false })
  }

  /** @throws AppError `not_found`, `agent_built_in` */
  async delete({ tenantId }: Principal, slug: string): Promise<void> {
    const key = { tenantId, slug }
    await this.checks.assertOwn(key)
    await this.database.transaction({ tenantId }, (tx) => this.writer.delete(key, tx))
    await this.forgetAnswers(tenantId)
  }

  private forgetAnswers(tenantId: string): Promise<void> {
    return this.answers.invalidate([tenantId], ['agents'])
  }
}
