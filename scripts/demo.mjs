import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureBuilt, ensureInstalled, env, node, say, serverArgs, serverEnv } from './lib/project.mjs'

// The README's journey, told step by step: against a running server (TEMPONEST_URL), or one of its own on a data
// directory that is gone afterwards.
const START_TIMEOUT_MS = 60_000
const POLL_MS = 200
const REQUEST_TIMEOUT_MS = 120_000

const TASK = 'Which risks does the login endpoint have, and what limits protect it?'
const CONTEXT =
  'The login endpoint takes an e-mail address and a password. Passwords are hashed with argon2id. There is no limit on ' +
  'the number of login attempts. Sessions end after thirty days. The office has a good coffee machine. Refresh tokens ' +
  'are rotated on every use.'

const given = process.env['TEMPONEST_URL']
let stop = async () => {}
try {
  await demo(given ? given.replace(/\/+$/, '') : await startServer())
} catch (error) {
  say(`the demo failed: ${error.message}`)
  process.exitCode = 1
} finally {
  await stop()
}

async function demo(url) {
  const call = client(url)
  const email = `demo-${Date.now()}@example.com`
  const password = 'Correct-Horse-42'

  step(1, 'Register a user with a tenant of her own')
  const account = await call('POST', '/v1/auth/register', { email, password, name: 'Demo', tenantName: 'Demo team' })
  show({ user: account.user.email, tenant: account.tenant.name, role: account.role })

  step(2, 'Sign in, and see who that is')
  const { accessToken } = await call('POST', '/v1/auth/login', { email, password })
  const me = await call('GET', '/v1/auth/me', undefined, accessToken)
  show({ user: me.user.email, permissions: me.permissions.join(', ') })

  step(3, 'Look at the agents')
  const agents = await call('GET', '/v1/agents', undefined, accessToken)
  for (const agent of agents.data) process.stdout.write(`    ${agent.slug.padEnd(18)} ${agent.description}\n`)

  step(4, 'Give the security auditor a task, and wait for its answer')
  const run = await call('POST', '/v1/agents/security-auditor/run', { task: TASK, context: CONTEXT }, accessToken)
  show({
    status: run.status,
    model: run.model,
    tokens: run.usage.totalTokens,
    costUsd: run.costUsd,
    ms: run.durationMs,
  })
  process.stdout.write(`\n${indent(run.output?.text ?? run.error.detail)}\n`)

  step(5, 'Start one and do not wait, then look until it has ended')
  const started = await call('POST', '/v1/agents/developer/run', { task: TASK }, accessToken, {
    Prefer: 'respond-async',
  })
  let current = started
  while (current.status === 'pending' || current.status === 'running') {
    await sleep(POLL_MS)
    current = await call('GET', `/v1/runs/${started.id}`, undefined, accessToken)
  }
  show({ first: started.status, last: current.status })

  step(6, 'List and count the runs')
  const list = await call('GET', '/v1/runs?limit=10', undefined, accessToken)
  const { count } = await call('GET', '/v1/runs/count?status=completed', undefined, accessToken)
  for (const one of list.data) process.stdout.write(`    ${one.createdAt}  ${one.agent.padEnd(18)} ${one.status}\n`)
  show({ completed: count })
}

/** Runs the built server on a free port and a throw-away data directory. */
async function startServer() {
  ensureInstalled()
  ensureBuilt()
  const dataDir = mkdtempSync(join(tmpdir(), 'temponest-demo-'))
  say('starting a server of its own …')
  const child = spawn(node, serverArgs, {
    env: { ...env, ...serverEnv, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  stop = async () => {
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve).kill('SIGTERM'))
    rmSync(dataDir, { recursive: true, force: true })
  }
  process.once('SIGINT', () => void stop().then(() => process.exit(130)))
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the server did not start')), START_TIMEOUT_MS)
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      const [, listening] = /listens on (\S+)/.exec(output) ?? []
      if (listening) resolve(listening)
      if (listening) clearTimeout(timer)
    })
    child.once('exit', (code) => reject(new Error(`the server ended with code ${code}`)))
  })
}

function client(url) {
  return async (method, path, body, token, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body && { 'Content-Type': 'application/json' }),
        ...(token && { Authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    process.stdout.write(`    ${method} ${path} → ${response.status}\n`)
    const answer = await response.json()
    if (!response.ok) throw new Error(`${answer.code}: ${answer.detail}`)
    return answer
  }
}

function step(number, title) {
  process.stdout.write(`\n${number}. ${title}\n`)
}

function show(facts) {
  const words = Object.entries(facts).map(([name, value]) => `${name}: ${value}`)
  process.stdout.write(`    ${words.join(' · ')}\n`)
}

function indent(text) {
  return text.replaceAll(/^/gm, '    | ')
}
