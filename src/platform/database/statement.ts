/** A statement with its parameters. `name` makes it a prepared statement on each connection: use it on hot paths. */
export interface Statement {
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

/** A statement as pg takes it. */
export interface StatementConfig {
  name?: string
  text: string
  values: unknown[]
}

/**
 * @param canPrepare false where the server's connection is another one for each transaction: a statement without a name is
 * parsed, bound and run between two Syncs, and needs nothing from the one before.
 */
export function toConfig({ name, text, values = [] }: Statement, canPrepare: boolean): StatementConfig {
  return { ...(canPrepare && name !== undefined && { name }), text, values: [...values] }
}
