import { newId } from '#kernel/ids.js'
import { type BoundTool, Toolbox, type ToolCallContext, type ToolUse } from '#modules/tools'
import type { TestApp } from '../support/test-app.js'
import type { TestUser } from '../support/test-user.js'

/** What a run would get for these uses. */
export function open(app: TestApp, { tenantId }: { tenantId: string }, ...uses: ToolUse[]): Promise<BoundTool[]> {
  return app.nest.get(Toolbox).open(tenantId, uses, new AbortController().signal)
}

/** What a run would get for the only use of an agent that stands for one tool. */
export async function openOne(app: TestApp, owner: { tenantId: string }, use: ToolUse): Promise<BoundTool> {
  const [tool, ...others] = await open(app, owner, use)
  if (!tool || others.length > 0) throw new Error('not one tool')
  return tool
}

export function contextOf(
  { tenantId }: Pick<TestUser, 'tenantId'>,
  overrides: Partial<ToolCallContext> = {},
): ToolCallContext {
  return { tenantId, runId: newId(), callId: 'call-1', signal: new AbortController().signal, ...overrides }
}
