import type { LoggerService } from '@nestjs/common'
import type { Logger } from 'nestjs-pino'

/** Nest's own messages in our log: a line for each route and module at start is for debugging, a warning is not. */
export class FrameworkLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...details: unknown[]): void {
    this.logger.debug(message, ...details)
  }

  error(message: unknown, ...details: unknown[]): void {
    this.logger.error(message, ...details)
  }

  warn(message: unknown, ...details: unknown[]): void {
    this.logger.warn(message, ...details)
  }
}
