import { readdirSync, readFileSync } from 'node:fs'

/** What `getconf CLK_TCK` says on every Linux that there is. */
const TICKS_PER_SECOND = 100

/** Seconds of a core that a process has used since its start, in user mode and in the kernel. Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // Behind a name that may hold anything but a later bracket: the 14th and the 15th field of all.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The same of each PostgreSQL backend that serves a database, by its process. */
export function backendCpuSeconds(database: string): Map<number, number> {
  const seconds = new Map<number, number>()
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      if (command.startsWith('postgres:') && command.includes(` ${database} `)) seconds.set(pid, cpuSeconds(pid))
    } catch {
      // It has ended since it was listed.
    }
  }
  return seconds
}
