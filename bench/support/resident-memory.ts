import { readFileSync } from 'node:fs'

/** Resident memory of a process. Linux only. */
export function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new Error(`no VmRSS in /proc/${pid}/status`)
  return Number(kib) / 1024
}

/** Looks every `intervalMs`; `stop` gives the highest value seen. */
export function watchResidentMib(pid: number, intervalMs: number): { stop(): number } {
  let peak = residentMib(pid)
  const look = (): void => {
    peak = Math.max(peak, residentMib(pid))
  }
  const timer = setInterval(look, intervalMs)
  return {
    stop() {
      clearInterval(timer)
      look()
      return peak
    },
  }
}
