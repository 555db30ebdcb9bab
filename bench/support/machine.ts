import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, totalmem } from 'node:os'

export interface MachineFacts {
  cpuModel: string
  cores: number
  memoryGib: number
  node: string
  platform: string
  date: string
  /** With `-dirty` when the tree has uncommitted changes; null outside a checkout. */
  commit: string | null
}

/** Where and on what a figure was taken. */
export function describeMachine(): MachineFacts {
  return {
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    date: new Date().toISOString(),
    commit: process.env['BENCH_COMMIT'] ?? readCommit(),
  }
}

function readCommit(): string | null {
  try {
    const args = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    return execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return null
  }
}
