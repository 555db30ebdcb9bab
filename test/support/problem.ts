import { expect } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { type Problem, problemSchema } from '#platform/http/problem.js'

interface ExpectedProblem {
  readonly status: number
  readonly code: string
  /** The path that was asked for. */
  readonly instance?: string
  /** Every JSON Pointer that is complained of. */
  readonly pointers?: readonly string[]
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
}

/** Asserts that an answer is this problem, in every member that the contract names. */
export function expectProblem(response: LightMyRequestResponse, expected: ExpectedProblem): Problem {
  // First what tells most when it fails.
  expect({ status: response.statusCode, body: response.body }).toEqual({
    status: expected.status,
    body: expect.stringContaining(`"code":"${expected.code}"`),
  })
  expect(response.headers['content-type']).toBe('application/problem+json')
  const problem = problemSchema.parse(response.json())
  expect(problem).toMatchObject({
    type: `urn:temponest:problem:${expected.code}`,
    title: TITLES[expected.status],
    status: expected.status,
    code: expected.code,
    requestId: response.headers['x-request-id'],
    ...(expected.instance !== undefined && { instance: expected.instance }),
  })
  expect(problem.detail).not.toBe('')
  if (expected.pointers) expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(expected.pointers)
  return problem
}
