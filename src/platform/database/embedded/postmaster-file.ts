import { readFile, readlink, realpath, writeFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'

/** What a running server says of itself in `postmaster.pid` (PostgreSQL documentation, "Database File Layout"). */
export interface PostmasterFile {
  readonly pid: number
  readonly port: number
  readonly status: string
}

const LINE = { pid: 0, port: 3, status: 7 } as const
/** Above what any system gives out. */
const NO_PROCESS = 999_999_999

/** Reads the file; null when there is none, when it is not yet complete, or when its server is gone. */
export async function findRunningPostmaster(dataDirectory: string): Promise<PostmasterFile | null> {
  const file = await readPostmasterFile(dataDirectory)
  return file && (await servesFrom(dataDirectory, file.pid)) ? file : null
}

/**
 * Lets PostgreSQL start over the file of a server that is gone. A reboot or a container that starts anew can give that
 * server's number to another program, which PostgreSQL would take for the server. The rest of the file stays: by it
 * PostgreSQL finds out whether backends of the dead server are still at work.
 */
export async function disownDeadPostmaster(dataDirectory: string): Promise<void> {
  const file = await readPostmasterFile(dataDirectory)
  if (!file || !isAlive(file.pid) || (await servesFrom(dataDirectory, file.pid))) return
  const path = join(dataDirectory, 'postmaster.pid')
  await writeFile(path, (await readFile(path, 'utf8')).replace(/^\d+/, `${NO_PROCESS}`))
}

async function readPostmasterFile(dataDirectory: string): Promise<PostmasterFile | null> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => null)
  if (text === null) return null
  const lines = text.split('\n').map((line) => line.trim())
  const file = { pid: Number(lines[LINE.pid]), port: Number(lines[LINE.port]), status: lines[LINE.status] ?? '' }
  return Number.isInteger(file.pid) && file.pid > 0 ? file : null
}

/** Whether the process lives and is at home in that directory, as PostgreSQL's servers are; one that has ended is not. */
async function servesFrom(dataDirectory: string, pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (platform() !== 'linux') return true
  const home = await realpath(dataDirectory)
  return readlink(`/proc/${pid}/cwd`).then(
    (cwd) => cwd === home,
    // A zombie has no directory any more. Where we may not look, we believe the file.
    (error: NodeJS.ErrnoException) => error.code === 'EACCES',
  )
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
