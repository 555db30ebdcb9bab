import { Injectable } from '@nestjs/common'
import type { Principal } from '#platform/http/principal.js'
import type { Execution } from '../executions/executions.schemas.js'

/** Fires a schedule by hand. */
@Injectable()
export class ScheduleTrigger {
  /** @throws AppError `not_found`, `validation_failed`, `budget_exceeded` */
  async trigger(_principal: Principal, _id: string): Promise<Execution> {
    throw new Error('not yet')
  }
}
