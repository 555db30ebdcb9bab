import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { startNodeServer } from './processes.ts'

export interface PeerOptions {
  readonly databaseUrl: string
  readonly tenantId: string
  /** Where its runs ask; a peer that runs nothing needs none. */
  readonly modelBaseUrl?: string
}

const ready = z.object({ baseUrl: z.string(), token: z.string().optional() })

export function startBareFastify({ databaseUrl, tenantId }: PeerOptions) {
  return startPeer('bare Fastify + pg', [pathOf('bare-fastify.ts'), databaseUrl, tenantId])
}

export function startStockNest({ databaseUrl, tenantId, modelBaseUrl = '' }: PeerOptions) {
  const files = ['--import', pathOf('stock-nest/swc-hook.mjs'), pathOf('stock-nest/main.ts')]
  return startPeer('Nest, the stock way', [...files, databaseUrl, tenantId, modelBaseUrl])
}

/** Posts them all and ends. @returns how many it did a second */
export async function runBareUndici(options: { url: string; secret: string; count: number; concurrency: number }) {
  const { url, secret, count, concurrency } = options
  const args = [pathOf('bare-undici.ts'), url, secret, String(count), String(concurrency)]
  const { PATH = '', HOME = '' } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH, HOME } })
  return z.object({ perSecond: z.number() }).parse(JSON.parse(stdout)).perSecond
}

function startPeer(name: string, args: string[]) {
  return startNodeServer({ name, args, env: { NODE_ENV: 'production' }, ready })
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../peers/${file}`, import.meta.url))
}
