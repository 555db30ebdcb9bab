import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PROGRAM = '/usr/bin/chromium'
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A real browser: the system's Chromium, installed first where we are root on Debian. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(PROGRAM)) install()
  return chromium.launch({ executablePath: PROGRAM, headless: true, args: FLAGS })
}

function install(): void {
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('apt-get', ['install', '-y', '-qq', 'chromium'], { stdio: 'ignore' })
    if (existsSync(PROGRAM)) return
  }
  throw new Error(`the tests need Chromium at ${PROGRAM} (Debian: apt-get install chromium)`)
}
