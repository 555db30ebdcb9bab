import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import type { AppConfig } from '../config/app-config.js'
import { requestContext } from '../http/request-context.js'

/** Wherever one of these turns up in a log line, its value does not. */
const REDACTED_PATHS = [
  'password',
  'currentPassword',
  'newPassword',
  'passwordHash',
  'accessToken',
  'refreshToken',
  'token',
  'secret',
  'apiKey',
  'authorization',
  'cookie',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `headers["${name}"]`])
const REDACTED_HEADERS = ['req.headers.authorization', 'req.headers.cookie', 'req.headers["x-api-key"]']

/**
 * The one logger: JSON lines with an event name and fields; inside a request, with its ids and its route.
 * @param destination in place of standard output
 */
export function createRootLogger({ settings }: AppConfig, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level: settings.LOG_LEVEL,
    base: { service: 'temponest' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
    serializers: { err: serializeError },
    redact: { paths: [...REDACTED_PATHS, ...REDACTED_HEADERS], censor: '[redacted]' },
    mixin: () => ({ ...requestContext.getStore() }),
    ...(settings.LOG_FORMAT === 'pretty' && { transport: { target: 'pino-pretty', options: { singleLine: true } } }),
  }
  return destination ? pino(options, destination) : pino(options)
}

/** What libraries hang on their errors beside the message: statements with their values, requests with their bodies. */
const ERROR_FIELDS_LEFT_OUT = new Set([
  'parameters',
  'query',
  'driverError',
  'requestBodyValues',
  'responseBody',
  'data',
  'detail',
])

function serializeError(error: Error): object {
  const serialized = pino.stdSerializers.err(error)
  return Object.fromEntries(Object.entries(serialized).filter(([name]) => !ERROR_FIELDS_LEFT_OUT.has(name)))
}
