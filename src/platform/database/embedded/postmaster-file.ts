import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a running server says of itself in `postmaster.pid` (PostgreSQL documentation, "Database File Layout"). */
export interface PostmasterFile {
  readonly pid: number
  readonly port: number
  readonly status: string
}

const LINE = { pid: 0, port: 3, status: 7 } as const

/** Reads the file; null when there is none, when it is not yet complete, or when its process is gone. */
export async function findRunningPostmaster(dataDirectory: string): Promise<PostmasterFile | null> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => null)
  if (text === null) return null
  const lines = text.split('\n').map((line) => line.trim())
  const file = { pid: Number(lines[LINE.pid]), port: Number(lines[LINE.port]), status: lines[LINE.status] ?? '' }
  return Number.isInteger(file.pid) && file.pid > 0 && isAlive(file.pid) ? file : null
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
