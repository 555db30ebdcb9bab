import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'

/** RFC 6761, section 6.3: never anything else, whatever a name server says. */
const LOOPBACK_NAME = /(^|\.)localhost\.?$/
const LOOPBACK_ADDRESS = '127.0.0.1'

/** Judges URLs of endpoints where they are given. What a name stands for is judged with each delivery. */
@Injectable()
export class WebhookUrls {
  constructor(
    private readonly config: AppConfig,
    private readonly outbound: OutboundClient,
  ) {}

  /** @throws AppError `validation_failed` */
  check(text: string): void {
    this.checkReach(text)
    const url = new URL(text)
    if (this.config.isProduction && url.protocol !== 'https:') throw invalidUrl('The URL must begin with https:.')
    if (text.includes('#')) throw invalidUrl('A URL must not hold a fragment: it would not be sent.')
    if (!LOOPBACK_NAME.test(url.hostname)) return
    url.hostname = LOOPBACK_ADDRESS
    this.checkReach(url.href)
  }

  private checkReach(url: string): void {
    try {
      this.outbound.checkUrl(url)
    } catch (error) {
      if (error instanceof AppError) throw invalidUrl(error.detail ?? error.code)
      throw error
    }
  }
}

function invalidUrl(detail: string): AppError {
  return invalidField('/url', detail)
}
