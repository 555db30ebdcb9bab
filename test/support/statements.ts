import { Client } from 'pg'
import { StatementBatch } from '../../src/platform/database/statement-batch.js'

type Query = (...args: unknown[]) => unknown

/** The statements that requests send to the database while `work` runs, in their order. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = []
  const prototype = Client.prototype as unknown as { query: Query }
  const { query } = prototype
  prototype.query = function record(this: Client, ...args: unknown[]) {
    const { application_name: name } = (this as unknown as { connectionParameters: { application_name?: string } })
      .connectionParameters
    const [statement] = args
    if (name === 'temponest-requests') statements.push(...textsOf(statement))
    return query.apply(this, args)
  }
  try {
    await work()
    return statements
  } finally {
    prototype.query = query
  }
}

function textsOf(request: unknown): string[] {
  if (typeof request === 'string') return [request]
  if (request instanceof StatementBatch) return request.statements.map(({ text }) => text)
  return [(request as { text?: string }).text ?? 'unknown']
}
