import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { TestApp } from '../support/test-app.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Finding {
  readonly code: string
  readonly message: string
  readonly path: readonly string[]
}

describe('the OpenAPI document', () => {
  it('passes Spectral with the OWASP rules, without a warning', async () => {
    await using app = await TestApp.start()
    const { body } = await app.inject({ url: '/openapi.json' })
    expect(await lint(body)).toEqual([])
  })

  it('would not pass with a write that anybody may do', async () => {
    await using app = await TestApp.start()
    const document = (await app.inject({ url: '/openapi.json' })).json()
    delete document.paths['/v1/agents/{slug}/run'].post.security
    const codes = (await lint(JSON.stringify(document))).map((finding) => finding.split(' ', 1)[0])
    expect(codes).toContain('owasp:api2:2023-write-restricted')
  })
})

/** Each finding, hints included, as `rule path message`. */
async function lint(document: string): Promise<string[]> {
  // In the project's folder: the exceptions name paths of the document, and are found relative to the rules.
  const folder = await mkdtemp(join(ROOT, 'node_modules', '.cache', 'spectral-'))
  const file = join(folder, 'openapi.json')
  await writeFile(file, document)
  try {
    const output = join(folder, 'findings.json')
    const args = ['lint', file, '--ruleset', join(ROOT, '.spectral.yaml'), '--format', 'json', '--output', output]
    // A lint that finds something ends with an error; what it found is in the file all the same.
    await promisify(execFile)(join(ROOT, 'node_modules', '.bin', 'spectral'), args).catch(() => undefined)
    const findings = JSON.parse(await readFile(output, 'utf8')) as Finding[]
    return findings.map(({ code, message, path }) => `${code} ${path.join('.')} ${message}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
