import { Injectable } from '@nestjs/common'
import type { Principal } from '#platform/http/principal.js'
import type { Backfill, BackfillCommand } from './backfill.schemas.js'

/** Makes up for due times of the past. */
@Injectable()
export class ScheduleBackfill {
  /** @throws AppError `not_found`, `validation_failed` */
  async backfill(_principal: Principal, _id: string, _command: BackfillCommand): Promise<Backfill> {
    throw new Error('not yet')
  }
}
