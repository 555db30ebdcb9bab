import { z } from 'zod'
import { ENDED_REASONS, PAUSED_REASONS, ScheduleEnded, ScheduleMissed, SchedulePaused } from '#modules/scheduler'
import { type PublicEvent, publicEvent } from './public-event.js'

const scheduleShape = { scheduleId: z.uuid(), name: z.string(), agent: z.string() }
const missedSchema = z.strictObject({
  ...scheduleShape,
  count: z.int(),
  isCountExact: z.boolean().meta({ description: 'false: there are more than were counted' }),
  firstDueAt: z.iso.datetime(),
  until: z.iso.datetime().meta({ description: 'up to which due time' }),
})
const pausedSchema = z.strictObject({
  ...scheduleShape,
  reason: z.enum(PAUSED_REASONS).nullable().meta({
    description:
      'failures: so many in a row; not_permitted: in whose name it runs may not start runs; null: a person wants it so',
  }),
})
const endedSchema = z.strictObject({ ...scheduleShape, reason: z.enum(ENDED_REASONS) })

const scheduleExample = {
  scheduleId: '0199f1d4-5e6f-7a81-92b3-c4d5e6f70819',
  name: 'Nightly report',
  agent: 'developer',
}

export const SCHEDULE_EVENTS: readonly PublicEvent[] = [
  publicEvent({
    type: 'schedule.missed',
    description: 'Due times have passed while no server ran, and are not made up for. Once for all of an outage.',
    schema: missedSchema,
    example: {
      ...scheduleExample,
      count: 12,
      isCountExact: true,
      firstDueAt: '2026-11-21T02:00:00.000Z',
      until: '2026-11-21T13:00:00.000Z',
    },
    eventClass: ScheduleMissed,
    select: ({ schedule, missed }: ScheduleMissed) => {
      const { count, isCountExact, firstDueAt, until } = missed
      return { ...schedule, count, isCountExact, firstDueAt: firstDueAt.toISOString(), until: until.toISOString() }
    },
  }),
  publicEvent({
    type: 'schedule.paused',
    description: 'A schedule does nothing until somebody resumes it.',
    schema: pausedSchema,
    example: { ...scheduleExample, reason: 'failures' },
    eventClass: SchedulePaused,
    select: ({ schedule, reason }: SchedulePaused) => ({ ...schedule, reason }),
  }),
  publicEvent({
    type: 'schedule.ended',
    description: 'No due time of a schedule is to come.',
    schema: endedSchema,
    example: { ...scheduleExample, reason: 'max_executions' },
    eventClass: ScheduleEnded,
    select: ({ schedule, reason }: ScheduleEnded) => ({ ...schedule, reason }),
  }),
]
