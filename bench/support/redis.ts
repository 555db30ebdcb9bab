import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { releasable } from './cleanup.ts'
import { findFreePort } from './processes.ts'

const READY_ATTEMPTS = 200
const POLL_INTERVAL_MS = 25

/** A `redis-server` of PATH that keeps nothing on disk. @throws when there is none */
export async function startRedis(): Promise<{ readonly url: string } & AsyncDisposable> {
  const port = await findFreePort()
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    {
      stdio: 'ignore',
    },
  )
  await once(child, 'spawn')
  for (let attempt = 0; !(await accepts(port)); attempt++) {
    if (attempt > READY_ATTEMPTS || child.exitCode !== null) throw new Error('redis-server did not start')
    await delay(POLL_INTERVAL_MS)
  }
  return releasable({ url: `redis://127.0.0.1:${port}` }, async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
