import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const CONTEXT = `# Refund policy

Customers may return goods within 30 days. Refunds are paid to the card that was used.

- Shipping fees are not refunded; the customer pays for the way back 🚚.
- Gift cards cannot be returned.

Our offices are closed on Sundays. The cat sleeps all day.
`
const QUESTION = 'Within how many days may customers return goods, and are shipping fees refunded?'

interface Citation {
  readonly documentId: string | null
  readonly chunkId: string | null
  readonly title: string
  readonly start: number
  readonly end: number
}

/** With nothing configured: what a newcomer has. */
describe('the offline model', () => {
  let app: TestApp
  let user: TestUser

  beforeAll(async () => {
    app = await TestApp.start()
    user = await TestUser.register(app)
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  async function run(payload: object) {
    const response = await user.run(payload)
    expect(response.statusCode).toBe(200)
    return response.json()
  }

  it('answers when no model is configured, says so, and how to add one', async () => {
    const { status, model, output } = await run({ task: 'Plan the release. Please name an owner.' })
    expect(status).toBe('completed')
    expect(model).toBe('offline/extractive')
    expect(output.text).toContain('No language model is configured')
    for (const setting of ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'OLLAMA_BASE_URL', 'DEFAULT_MODEL']) {
      expect(output.text).toContain(`\`${setting}\``)
    }
  })

  it('quotes the sentences of the context that answer the task, each with where it stands', async () => {
    const { output } = await run({ task: QUESTION, context: CONTEXT })
    const citations: Citation[] = output.citations
    const quotes = citations.map(({ start, end }) => CONTEXT.slice(start, end))
    expect(quotes).toEqual(
      expect.arrayContaining([
        'Customers may return goods within 30 days.',
        'Shipping fees are not refunded; the customer pays for the way back 🚚.',
      ]),
    )
    expect(quotes).not.toContain('The cat sleeps all day.')
    for (const [index, quote] of quotes.entries()) expect(output.text).toContain(`- ${quote} [${index + 1}]`)
    for (const citation of citations) {
      expect(citation).toMatchObject({ documentId: null, chunkId: null, title: 'context' })
    }
  })

  it('gives the same answer to the same question', async () => {
    const payload = { task: QUESTION, context: CONTEXT }
    const [first, second] = [await run(payload), await run(payload)]
    expect(second.id).not.toBe(first.id)
    expect(second.output).toEqual(first.output)
    expect(second.usage).toEqual(first.usage)
  })

  it('lists what the task asks where there is no context, and invents no citation', async () => {
    const { output } = await run({ task: 'The report must name its author. Please add a date.' })
    expect(output.citations).toEqual([])
    expect(output.text).toContain('- [ ] The report must name its author.')
    expect(output.text).toContain('- [ ] Please add a date.')
  })

  it('counts what it reads and writes, and costs nothing', async () => {
    const [short, long] = [await run({ task: QUESTION }), await run({ task: QUESTION, context: CONTEXT })]
    expect(long.usage.inputTokens - short.usage.inputTokens).toBeGreaterThan(50)
    expect(long.usage).toMatchObject({ cachedInputTokens: 0, reasoningTokens: 0 })
    expect(long.usage.totalTokens).toBe(long.usage.inputTokens + long.usage.outputTokens)
    expect(long.costUsd).toBe('0')
  })

  it('keeps to limits.maxTokens, and cites only what it still says', async () => {
    const { usage, output } = await run({ task: QUESTION, context: CONTEXT, limits: { maxTokens: 90 } })
    expect(usage.outputTokens).toBeLessThanOrEqual(90)
    expect(usage.outputTokens).toBeGreaterThan(60)
    const citations: Citation[] = output.citations
    expect(citations).toHaveLength(1)
    for (const { start, end } of citations) expect(output.text).toContain(CONTEXT.slice(start, end))
  })

  it('fails a run that must have structured output, which it cannot give', async () => {
    const { status, error } = await run({ task: QUESTION, outputSchema: { type: 'object' } })
    expect(status).toBe('failed')
    expect(error.code).toBe('output_invalid')
  })
})
