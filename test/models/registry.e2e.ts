import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { register } from 'prom-client'
import { ModelHost } from '../support/model-host.js'
import { ModelSimulator } from '../support/model-simulator.js'

const NOWHERE = 'http://127.0.0.1:9/v1'

describe('the models of a run', () => {
  let host: ModelHost

  beforeAll(async () => {
    host = await ModelHost.start({
      OPENAI_BASE_URL: NOWHERE,
      ANTHROPIC_BASE_URL: NOWHERE,
      DEFAULT_MODEL: 'openai/default',
      FALLBACK_MODELS: 'anthropic/spare, offline/extractive',
    })
  })
  afterAll(() => host?.[Symbol.asyncDispose]())

  const SERVERS = ['anthropic/spare', 'offline/extractive']

  it("are the request's, else the agent's, else the default, and then the server's stand-ins", () => {
    const { registry } = host
    const agent = { model: 'openai/agents' }
    expect(registry.resolveChain('openai/asked', agent)).toEqual(['openai/asked', ...SERVERS])
    expect(registry.resolveChain(undefined, agent)).toEqual(['openai/agents', ...SERVERS])
    expect(registry.resolveChain(undefined)).toEqual(['openai/default', ...SERVERS])
  })

  it("are followed by the agent's own stand-ins where it names some, be it none", () => {
    const { registry } = host
    expect(registry.resolveChain(undefined, { fallbackModels: ['openai/b'] })).toEqual(['openai/default', 'openai/b'])
    expect(registry.resolveChain(undefined, { fallbackModels: [] })).toEqual(['openai/default'])
  })

  it('are asked once each', () => {
    expect(host.registry.resolveChain('anthropic/spare')).toEqual(SERVERS)
  })

  it('are refused when one of them is not served here', () => {
    const refused = expect.objectContaining({
      code: 'validation_failed',
      errors: [{ pointer: '/model', detail: expect.stringContaining('mistral/x: Not a model of this server.') }],
    })
    const { registry } = host
    expect(() => registry.resolveChain('mistral/x')).toThrow(refused)
    expect(() => registry.resolveChain(undefined, { model: 'mistral/x' })).toThrow(refused)
    expect(() => registry.resolveChain(undefined, { fallbackModels: ['mistral/x'] })).toThrow(refused)
    expect([registry.isServed('mistral/x'), registry.isServed('openai/x')]).toEqual([false, true])
  })
})

describe('FALLBACK_MODELS', () => {
  it.each([
    ['mistral/x', 'FALLBACK_MODELS: mistral/x: Not a model of this server.'],
    ['openai/a,anthropic/b', 'FALLBACK_MODELS: anthropic/b: Not a model of this server.'],
    ['no-slash', 'FALLBACK_MODELS: must look like provider/model'],
    ['openai/a,openai/b,openai/c,openai/d,openai/e,openai/f', 'FALLBACK_MODELS: must name at most 5 models'],
  ])('keeps the server from starting as %s', async (value, message) => {
    await expect(ModelHost.start({ OPENAI_BASE_URL: NOWHERE, FALLBACK_MODELS: value })).rejects.toThrow(message)
  })
})

describe('the metrics of models', () => {
  it('count calls by provider and outcome, and open circuits, whatever names tenants ask for', async () => {
    const simulator = await ModelSimulator.start()
    const host = await ModelHost.start({
      OPENAI_BASE_URL: simulator.baseUrl,
      MODEL_MAX_RETRIES: '0',
      MODEL_CIRCUIT_FAILURES: '1',
    })
    const valuesOf = async (name: string) => {
      const values = (await register.getSingleMetric(name)?.get())?.values ?? []
      return values.map(({ labels, value }) => [labels, value])
    }
    await host.call({ models: ['openai/name-of-a-tenant'] }).outcome
    simulator.set({ failure: { status: 500 } })
    await host.call({ models: ['openai/a'] }).outcome
    await host.call({ models: ['openai/b'] }).outcome
    expect(await valuesOf('temponest_model_calls_total')).toEqual([
      [{ provider: 'openai', outcome: 'answered' }, 1],
      [{ provider: 'openai', outcome: 'failed' }, 2],
    ])
    expect(await valuesOf('temponest_model_circuits_open')).toEqual([[{ provider: 'openai' }, 2]])
    await host[Symbol.asyncDispose]()
    await simulator.stop()
  })
})
