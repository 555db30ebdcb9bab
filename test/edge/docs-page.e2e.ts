import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { launchChromium } from '../support/chromium.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const POLL_MS = 50
const INSTALL_TIMEOUT_MS = 300_000
/** Does what an attacker would, once he can change the page. @returns whether his script has run */
const INJECT_SCRIPT = `(() => {
  const script = document.createElement('script')
  script.textContent = 'window.hasRun = true'
  document.body.append(script)
  return 'hasRun' in window
})()`

let app: TestApp
let baseUrl: string
let browser: Browser
let page: Page
/** What the browser has complained of: violations, errors of scripts, files that did not load. */
let complaints: string[]

beforeAll(async () => {
  app = await TestApp.start()
  baseUrl = await app.listen()
  browser = await launchChromium()
}, INSTALL_TIMEOUT_MS)
beforeEach(async () => {
  complaints = []
  page = await browser.newPage()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`))
})
afterEach(() => page.close())
afterAll(async () => {
  await browser?.close()
  await app[Symbol.asyncDispose]()
})

/** Waits until the database has a row that the statement finds. */
async function untilFound(text: string): Promise<Record<string, unknown>> {
  while (true) {
    const [row] = await app.sql(text)
    if (row) return row
    await sleep(POLL_MS)
  }
}

describe('/docs in a browser', () => {
  it('shows every operation, styled, without a violation', async () => {
    await page.goto(`${baseUrl}/docs`)
    await page.locator('.opblock-summary').first().waitFor()
    const { paths } = (await app.inject({ url: '/openapi.json' })).json<{ paths: Record<string, object> }>()
    const operations = Object.values(paths).flatMap((path) => Object.keys(path))
    expect(await page.locator('.opblock-summary').count()).toBe(operations.length)
    expect(await page.evaluate(`getComputedStyle(document.querySelector('.opblock')).borderRadius`)).toBe('4px')
    expect(complaints).toEqual([])
  })

  it('opens operations and schemas, takes a token and sends requests with it, without a violation', async () => {
    const user = await TestUser.register(app)
    await page.goto(`${baseUrl}/docs`)
    await page.locator('.btn.authorize').first().click()
    await page.locator('#auth-bearer-value').fill(user.accessToken)
    await page.locator('.auth-container .authorize[type=submit]').first().click()
    await page.locator('.auth-container .btn-done').first().click()
    const operation = page.locator('.opblock-get', { has: page.locator('[data-path="/v1/auth/me"]') })
    await operation.locator('.opblock-summary-control').click()
    await operation.locator('.try-out__btn').click()
    await operation.locator('.execute').click()
    const answer = operation.locator('.live-responses-table .response').first()
    await answer.waitFor()
    expect(await answer.locator('.response-col_status').innerText()).toContain('200')
    expect(await answer.innerText()).toContain(user.email)
    await page.locator('section.models button, section.models .json-schema-2020-12-accordion').last().click()
    expect(complaints).toEqual([])
  })

  it('runs no script that has slipped in, and tells us of it', async () => {
    await page.goto(`${baseUrl}/docs?token=secret`)
    await page.locator('.opblock-summary').first().waitFor()
    expect(await page.evaluate(INJECT_SCRIPT)).toBe(false)
    expect(complaints).toEqual([expect.stringContaining('Content Security Policy')])
    const row = await untilFound(`SELECT directive, document_uri, blocked_uri FROM csp_reports`)
    expect(row).toEqual({ directive: 'script-src-elem', document_uri: `${baseUrl}/docs`, blocked_uri: 'inline' })
  })
})

describe('an answer of the API in a browser', () => {
  it('may load nothing and run nothing, whatever is in it', async () => {
    await page.goto(`${baseUrl}/health/liveness`)
    const fetched = await page.evaluate(`fetch('/openapi.json').then(() => 'fetched', () => 'refused')`)
    expect([fetched, await page.evaluate(INJECT_SCRIPT)]).toEqual(['refused', false])
  })

  it('cannot be put into a frame', async () => {
    const body = `<iframe src="${baseUrl}/docs"></iframe>`
    await page.route(`${baseUrl}/evil`, (route) => route.fulfill({ contentType: 'text/html', body }))
    await page.goto(`${baseUrl}/evil`)
    expect(await page.frames()[1]?.locator('#swagger-ui').count()).toBe(0)
    expect(complaints.join('\n')).toMatch(/frame-ancestors|X-Frame-Options/)
  })
})
