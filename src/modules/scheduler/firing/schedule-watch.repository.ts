import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'

const WATCH = { purpose: 'scheduler.watch' }

/** Whether somebody has been there, one row for all replicas. */
@Injectable()
export class ScheduleWatchRepository {
  constructor(private readonly database: Database) {}

  /**
   * Says that somebody is there. Where nobody was for longer than `graceSeconds`, the watch begins anew. In one flight: whoever
   * stands still in the middle of it holds the row from nobody.
   * @returns since when there is no break
   */
  async renew(graceSeconds: number): Promise<Date> {
    const rows = await this.database.timers.flight(WATCH, (tx) =>
      tx.query<{ since: Date }>({
        name: 'scheduler_watch',
        text: `UPDATE scheduler_watch
                  SET watched_since = CASE WHEN last_seen_at < clock_timestamp() - $1 * interval '1 s' THEN clock_timestamp()
                                           ELSE watched_since END,
                      last_seen_at = clock_timestamp()
                WHERE watched = 'schedules' RETURNING watched_since AS since`,
        values: [graceSeconds],
      }),
    )
    return rows[0]?.since as Date
  }
}
