import { Client } from 'pg'

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
    const text = typeof statement === 'string' ? statement : ((statement as { text?: string }).text ?? 'unknown')
    if (name === 'temponest-requests') statements.push(text)
    return query.apply(this, args)
  }
  try {
    await work()
    return statements
  } finally {
    prototype.query = query
  }
}
