import type { AppConfig } from '../config/app-config.js'

const ANY_INTERFACE = new Set(['0.0.0.0', '::'])

/**
 * Where people reach this server, without a slash at its end. From the settings alone: a `Host` header would let whoever
 * asks for a mail choose where its link leads.
 */
export function publicUrl({ settings }: AppConfig): string {
  const { PUBLIC_URL: url, HOST: host, PORT: port } = settings
  if (url !== undefined) return url.replace(/\/+$/, '')
  const name = ANY_INTERFACE.has(host) ? 'localhost' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** A link that carries a token: behind `#`, which no browser sends and no log keeps. */
export function linkWithToken(config: AppConfig, page: string, token: string): string {
  return `${publicUrl(config)}/${page}#token=${token}`
}
