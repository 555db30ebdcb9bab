import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAM = 'faketime'

/**
 * The wall clock of processes as somebody sets it, by libfaketime: a `faketime` on PATH, installed first where we are root on
 * Debian. What measures spans (CLOCK_MONOTONIC) runs on, as it does when a host's clock is set.
 */
export class SteppedClock implements AsyncDisposable {
  private constructor(
    private readonly folder: string,
    private readonly library: string,
  ) {}

  static async create(): Promise<SteppedClock> {
    return new SteppedClock(await mkdtemp(join(tmpdir(), 'temponest-clock-')), findLibrary()).at('+0')
  }

  /** What a process has to be started with to go by this clock. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** @param offset from the true time, as `+3h`, `-5d` */
  async at(offset: string): Promise<this> {
    await writeFile(this.file, offset)
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }

  private get file(): string {
    return join(this.folder, 'offset')
  }
}

/** The wrapper knows where its library is. */
function findLibrary(): string {
  return ask() ?? install()
}

function ask(): string | undefined {
  try {
    return execFileSync(PROGRAM, ['-f', '+0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

function install(): string {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('apt-get', ['install', '-y', '-qq', PROGRAM], { stdio: 'ignore' })
    const library = ask()
    if (library !== undefined) return library
  }
  throw new Error('this test needs libfaketime: put `faketime` on PATH (Debian: apt-get install faketime)')
}
