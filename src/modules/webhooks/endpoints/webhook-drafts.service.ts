import { isDeepStrictEqual } from 'node:util'
import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import type { WebhookRecord, WebhookSettings } from './webhook.js'
import type { ChangeWebhookCommand, CreateWebhookCommand } from './webhooks.schemas.js'
import { WebhookUrls } from './webhook-urls.service.js'

/** Decides what an endpoint's row will be, and writes nothing. */
@Injectable()
export class WebhookDrafts {
  constructor(
    private readonly urls: WebhookUrls,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `validation_failed` for a URL that may not be reached */
  create(tenantId: string, command: CreateWebhookCommand): WebhookRecord {
    const { url, events, description = null, active, maxPerSecond = null } = command
    this.urls.check(url)
    const now = this.clock.now()
    const settings: WebhookSettings = { url, events, description, isActive: active, maxPerSecond }
    return {
      tenantId,
      id: newId(),
      ...settings,
      disabledReason: null,
      disabledAt: null,
      createdAt: now,
      updatedAt: now,
    }
  }

  /** @param count of the tenant's endpoints @throws AppError `validation_failed` */
  assertRoom(count: number): void {
    const { WEBHOOK_ENDPOINTS_MAX: max } = this.config.settings
    if (count < max) return
    const detail = `A tenant has at most ${max} webhooks: delete one that is not used.`
    throw new AppError('validation_failed', 'invalid', { detail, errors: [{ pointer: '', detail }] })
  }

  /** Null when nothing changes. @throws AppError `validation_failed` for a new URL that may not be reached */
  change(webhook: WebhookRecord, command: ChangeWebhookCommand): WebhookRecord | null {
    const before = settingsOf(webhook)
    const after: WebhookSettings = {
      url: command.url ?? before.url,
      description: command.description === undefined ? before.description : command.description,
      events: command.events ?? before.events,
      isActive: command.active ?? before.isActive,
      maxPerSecond: command.maxPerSecond === undefined ? before.maxPerSecond : command.maxPerSecond,
    }
    if (isDeepStrictEqual(before, after)) return null
    if (after.url !== before.url) this.urls.check(after.url)
    return {
      ...webhook,
      ...after,
      ...(after.isActive && { disabledReason: null, disabledAt: null }),
      updatedAt: this.clock.now(),
    }
  }
}

function settingsOf({ url, description, events, isActive, maxPerSecond }: WebhookRecord): WebhookSettings {
  return { url, description, events, isActive, maxPerSecond }
}
