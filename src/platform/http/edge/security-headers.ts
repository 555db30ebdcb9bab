import helmet from '@fastify/helmet'
import { fastify } from 'fastify'
import type { AppConfig } from '../../config/app-config.js'

/** Where browsers report what a policy has stopped. */
const CSP_REPORTS_PATH = '/csp-reports'
const REPORTING_GROUP = 'csp'
const HSTS_MAX_AGE_SECONDS = 2 * 365 * 24 * 60 * 60
/** What asks for trust and nothing of ours uses. A longer list would only make every answer longer. */
const UNUSED_FEATURES = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'usb',
]
/** Of one answer, not of what it should be like. */
const NOT_A_POLICY = new Set(['content-length', 'content-type', 'date', 'connection'])

type Directives = Record<string, string>

/** For JSON, which a browser has no reason to render, frame or run. */
const API_DIRECTIVES: Directives = {
  'default-src': "'none'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
}

/**
 * The headers that every answer has. @fastify/helmet decides most of them, but once: by request it builds all of its
 * middleware anew and sets the headers one by one on Node's response: 19 µs instead of 5.
 */
export async function createSecurityHeaders(config: AppConfig): Promise<Record<string, string>> {
  return {
    ...(await helmetHeaders(config)),
    'content-security-policy': toPolicy(config, API_DIRECTIVES),
    'permissions-policy': UNUSED_FEATURES.map((feature) => `${feature}=()`).join(', '),
    ...(isServedByTls(config) && { 'reporting-endpoints': `${REPORTING_GROUP}="${CSP_REPORTS_PATH}"` }),
  }
}

/** For the page at /docs, whose scripts and styles carry the nonce of their answer. */
export function docsPolicy(config: AppConfig, nonce: string): string {
  return toPolicy(config, {
    ...API_DIRECTIVES,
    'script-src': `'nonce-${nonce}'`,
    'style-src': `'nonce-${nonce}'`,
    // Swagger UI draws its icons from data: URLs.
    'img-src': "'self' data:",
    'connect-src': "'self'",
    ...(isServedByTls(config) && { 'upgrade-insecure-requests': '' }),
  })
}

function toPolicy(config: AppConfig, directives: Directives): string {
  const all = {
    ...directives,
    'report-uri': CSP_REPORTS_PATH,
    // Without TLS browsers send nothing to a reporting endpoint, and pass over `report-uri` all the same.
    ...(isServedByTls(config) && { 'report-to': REPORTING_GROUP }),
  }
  return Object.entries(all)
    .map((entry) => entry.join(' ').trim())
    .join('; ')
}

/** Production is behind TLS unless its operator says that clients come by plain HTTP; they could load nothing then. */
function isServedByTls({ isProduction, settings }: AppConfig): boolean {
  return isProduction && settings.PUBLIC_URL?.startsWith('http:') !== true
}

async function helmetHeaders({ isProduction }: AppConfig): Promise<Record<string, string>> {
  const server = fastify()
  await server.register(helmet, {
    contentSecurityPolicy: false,
    xFrameOptions: { action: 'deny' },
    // In development it would lock a browser out of whatever else is served by plain HTTP on localhost.
    strictTransportSecurity: isProduction && { maxAge: HSTS_MAX_AGE_SECONDS, includeSubDomains: true },
  })
  server.get('/', async () => '')
  const { headers } = await server.inject('/')
  await server.close()
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !NOT_A_POLICY.has(name))
      .map(([name, value]) => [name, String(value)]),
  )
}
