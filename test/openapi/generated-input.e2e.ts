import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { InjectOptions } from 'fastify'
import { arbitraryOf } from '../support/openapi/arbitrary.js'
import { type Operation, OpenApiOperations } from '../support/openapi/operations.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const MIN_REQUESTS = 5000
const MIN_SUCCESS_RATIO = 0.1
/** The same requests each time; another seed tries others. */
const { FUZZ_SEED = '20261121' } = process.env
const TIME_LIMIT_MS = 300_000
/** These end the session that the test speaks with, or stop what it stands on. */
const ENDS_THE_SESSION = /^POST \/v1\/auth\/(logout|logout-all)$/

interface Input {
  readonly path: Record<string, unknown>
  readonly query: Record<string, unknown>
  readonly body: unknown
  readonly isSignedIn: boolean
}

let app: TestApp
let user: TestUser
let api: OpenApiOperations

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  api = await OpenApiOperations.of(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

describe('every operation, given what its schema allows and what it does not', () => {
  it(
    `answers ${MIN_REQUESTS} requests and more with documented statuses and bodies, and never with a 5xx`,
    async () => {
      const operations = api.all.filter(({ method, path }) => !ENDS_THE_SESSION.test(`${method} ${path}`))
      const perOperation = Math.ceil(MIN_REQUESTS / operations.length)
      const violations: string[] = []
      let requests = 0
      let successes = 0
      for (const operation of operations) {
        const property = fc.asyncProperty(inputOf(operation), async (input) => {
          requests += 1
          const answer = await app.inject(toRequest(operation, input))
          if (answer.statusCode < 300) successes += 1
          const violation = answer.statusCode >= 500 ? answer.body : api.violationOf(operation, answer)
          if (violation !== null) throw new Error(violation)
        })
        const outcome = await fc.check(property, { numRuns: perOperation, seed: Number(FUZZ_SEED), endOnFailure: true })
        if (outcome.failed) {
          const [input] = outcome.counterexample ?? []
          const { method, path } = operation
          const { message = '' } = (outcome.errorInstance ?? {}) as { message?: string }
          violations.push(`${method} ${path} seed ${FUZZ_SEED} ${JSON.stringify(input)}: ${message}`)
        }
      }
      expect(violations).toEqual([])
      expect(requests).toBeGreaterThanOrEqual(MIN_REQUESTS)
      // Or the schemas, or this test, allow next to nothing.
      expect(successes / requests).toBeGreaterThan(MIN_SUCCESS_RATIO)
    },
    TIME_LIMIT_MS,
  )
})

function inputOf({ parameters, body }: Operation): Arbitrary<Input> {
  const { schemas } = api.document.components
  const valuesOf = (place: string): Arbitrary<Record<string, unknown>> => {
    const named = parameters.filter((parameter) => parameter.in === place)
    const shape = Object.fromEntries(named.map(({ name, schema }) => [name, arbitraryOf(schema, schemas)]))
    return fc.record(shape, place === 'path' ? {} : { requiredKeys: [] })
  }
  return fc.record({
    path: valuesOf('path'),
    query: valuesOf('query'),
    body: body === undefined ? fc.constant(undefined) : arbitraryOf(body, schemas),
    isSignedIn: fc.constantFrom(true, true, true, true, false),
  })
}

function toRequest({ method, path }: Operation, { path: names, query, body, isSignedIn }: Input): InjectOptions {
  const search = Object.entries(query).map(([name, value]) => `${name}=${encode(value)}`)
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(names[name]) || '%20')
  return {
    method,
    url: search.length > 0 ? `${url}?${search.join('&')}` : url,
    headers: {
      // Nobody waits for thousands of runs.
      prefer: 'respond-async',
      ...(isSignedIn && { authorization: `Bearer ${user.accessToken}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  }
}

/** Percent-encoded as a client would, lone surrogates replaced: no client can send them. */
function encode(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return encodeURIComponent((text ?? '').toWellFormed())
}
