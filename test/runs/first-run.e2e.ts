import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

describe('a run', () => {
  let app: TestApp
  let user: TestUser

  beforeAll(async () => {
    app = await TestApp.start()
    user = await TestUser.register(app)
  })
  afterAll(() => app[Symbol.asyncDispose]())

  it('is answered when it has ended', async () => {
    const response = await user.run({ task: 'Say hello.' })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({
      status: 'completed',
      agent: 'developer',
      costUsd: '0',
      model: 'offline/extractive',
    })
  })
})
