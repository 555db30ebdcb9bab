import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'

// Runs in a thread of its own. Imports nothing of ours and nothing that needs compiling, so that Node can run it from
// `src` as well, where the tests are: Jest's transforms do not reach into threads.

/** A check that is too much for the event loop. */
export interface SchemaCheck {
  readonly options: ConstructorParameters<typeof Ajv2020>[0]
  readonly schema: Record<string, unknown>
  readonly value: unknown
}

/** What a check has found, as far as it can be sent between threads; none: all is well. */
export type SchemaError = Pick<ErrorObject, 'instancePath' | 'message'>

export default function check({ options, schema, value }: SchemaCheck): SchemaError[] {
  const validate = new Ajv2020(options).compile(schema)
  if (validate(value)) return []
  return (validate.errors ?? []).map(({ instancePath, message }) =>
    message ? { instancePath, message } : { instancePath },
  )
}
