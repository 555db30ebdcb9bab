import { describe, expect, it } from '@jest/globals'
import { PinoLogger } from 'nestjs-pino'
import { AppError } from '#kernel/app-error.js'
import { SchemaMatcher } from '#platform/json-schema/schema-matcher.js'
import type { ToolCallContext, ToolDescription } from '../tool.js'
import { ToolBinder, type ToolWork } from './tool-binder.service.js'

const DESCRIPTION: ToolDescription = {
  name: 'test',
  description: 'Tests.',
  inputSchema: { type: 'object' },
  isIdempotent: true,
  needsApproval: false,
  timeoutMs: 50,
}

function call(
  work: ToolWork,
  { signal = new AbortController().signal, ...rest }: Partial<ToolDescription & ToolCallContext> = {},
) {
  const context = { tenantId: 't', runId: 'r', callId: 'c', signal }
  return new ToolBinder(new SchemaMatcher(new PinoLogger({ pinoHttp: { level: 'silent' } })))
    .bind({ ...DESCRIPTION, ...rest }, work)
    .call({}, context)
}

describe('a bound tool', () => {
  it('ends at its timeout though its work does not listen, and does not mind what becomes of that', async () => {
    const deaf = Promise.withResolvers<never>()
    expect(await call(() => deaf.promise)).toEqual({ text: 'No answer within 50 ms.', isError: true })
    deaf.reject(new Error('too late'))
  })

  it('says of what may not be repeated that it may have happened', async () => {
    const { text } = await call(() => new Promise(() => {}), { isIdempotent: false })
    expect(text).toBe('No answer within 50 ms. It may have had its effect.')
  })

  it('ends with the reason of its caller, before it has begun, too', async () => {
    const cancelled = new AbortController()
    const waiting = call(() => new Promise(() => {}), { signal: cancelled.signal, timeoutMs: 10_000 })
    cancelled.abort(new Error('cancelled'))
    await expect(waiting).rejects.toThrow('cancelled')
    let calls = 0
    const late = call(async () => ({ text: `${(calls += 1)}`, isError: false }), { signal: cancelled.signal })
    await expect(late).rejects.toThrow('cancelled')
    expect(calls).toBe(0)
  })

  it('tells our own errors as results, and lets bugs through', async () => {
    const failing = (thrown: Error) => call(() => Promise.reject(thrown))
    const known = new AppError('outbound_failed', 'upstream_failed', {
      detail: 'It failed.',
      cause: new Error('secret'),
    })
    expect(await failing(known)).toEqual({ text: 'It failed.', isError: true })
    await expect(failing(new TypeError('bug'))).rejects.toThrow('bug')
  })

  it('makes every result storable', async () => {
    expect(await call(async () => ({ text: 'a\0b', isError: false }))).toEqual({ text: 'a\uFFFDb', isError: false })
  })
})
