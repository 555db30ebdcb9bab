import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { AgentContent, AgentDefinition } from '../agent-definition.js'
import { agentLimitReached, noSuchAgent, slugTaken } from '../agents.errors.js'
import { type AgentKey, AgentsRepository } from '../agents.repository.js'
import { type AgentChanges, applyChanges, changedFields } from './agent-changes.js'
import { AgentCreated, AgentDeleted, AgentPublished } from './agent.events.js'

/** Deleted ones do not count. */
const MAX_AGENTS_PER_TENANT = 200

/** Writes agents and their versions, with what the audit log keeps of it, in the caller's transaction. */
@Injectable()
export class AgentWriter {
  constructor(
    private readonly agents: AgentsRepository,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /**
   * The first version of a new agent, or the next of one that was deleted: no two contents ever have one number.
   * @throws AppError `slug_taken`, `agent_limit_reached`
   */
  async create(
    key: AgentKey,
    { content, createdBy }: { content: AgentContent; createdBy: string },
    tx: Tx,
  ): Promise<AgentDefinition> {
    const now = this.clock.now()
    const count = await this.agents.countForAdding(key.tenantId, tx)
    const version = await this.agents.add({ ...key, now }, tx)
    if (version === null) throw slugTaken()
    if (count >= MAX_AGENTS_PER_TENANT) throw agentLimitReached(MAX_AGENTS_PER_TENANT)
    await this.agents.addVersion(key, { version, definition: content, createdBy, createdAt: now }, tx)
    await this.events.emit(new AgentCreated(key, { version, name: content.name }), tx)
    return { ...content, slug: key.slug, version }
  }

  /**
   * The next version, or the current one if the changes change nothing. Of two at once the second builds on the first.
   * @throws AppError `not_found`
   */
  async publish(
    key: AgentKey,
    { changes, createdBy }: { changes: AgentChanges; createdBy: string },
    tx: Tx,
  ): Promise<{ agent: AgentDefinition; isNew: boolean }> {
    const current = await this.agents.lockCurrent(key, tx)
    if (!current) throw noSuchAgent()
    const content = applyChanges(current.definition, changes)
    const changed = changedFields(current.definition, content)
    const isNew = changed.length > 0
    const version = isNew ? current.version + 1 : current.version
    const agent = { ...content, slug: key.slug, version }
    if (!isNew) return { agent, isNew }
    const now = this.clock.now()
    await this.agents.addVersion(key, { version, definition: content, createdBy, createdAt: now }, tx)
    await this.agents.setCurrent(key, { version, now }, tx)
    await this.events.emit(new AgentPublished(key, { from: current.version, to: version, changedFields: changed }), tx)
    return { agent, isNew }
  }

  /** Its runs go on: they keep their version. @throws AppError `not_found` */
  async delete(key: AgentKey, tx: Tx): Promise<void> {
    const version = await this.agents.markDeleted({ ...key, now: this.clock.now() }, tx)
    if (version === null) throw noSuchAgent()
    await this.events.emit(new AgentDeleted(key, { version }), tx)
  }
}
