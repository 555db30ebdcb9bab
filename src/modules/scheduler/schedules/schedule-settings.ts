import { isDeepStrictEqual } from 'node:util'
import type { ScheduleRecord, ScheduleSettings, ScheduleTimes } from './schedule.js'
import type { ChangeScheduleCommand, CreateScheduleCommand } from './schedules.schemas.js'

/** What a schedule says of its runs. */
export type RunWords = Pick<ScheduleSettings, 'agent' | 'task' | 'input'>

/** What a schedule is by the words of who makes it. @param projectId of the project that the command names */
export function settingsFrom(command: CreateScheduleCommand, projectId: string | null): ScheduleSettings {
  const { name, agent, task, input, timezone, overlap, catchUpSeconds, jitterSeconds } = command
  const { maxExecutions = null, pauseAfterFailures = null } = command
  return {
    name,
    agent,
    task,
    projectId,
    input: input ?? {},
    ...timesFrom(command, timezone),
    overlap,
    catchUpSeconds,
    jitterSeconds,
    endsAt: dateOf(command.endsAt),
    maxExecutions,
    pauseAfterFailures,
  }
}

/**
 * What it is after a change: absent keeps, null clears, and a new kind of time takes the place of the one that was there.
 * @param projectId undefined: as it was
 */
export function settingsAfter(
  before: ScheduleSettings,
  command: ChangeScheduleCommand,
  projectId: string | null | undefined,
): ScheduleSettings {
  const isRetimed = [command.cron, command.everySeconds, command.runAt].some((given) => given != null)
  const timezone = command.timezone ?? before.timezone
  return {
    name: command.name ?? before.name,
    agent: command.agent ?? before.agent,
    task: command.task ?? before.task,
    projectId: projectId === undefined ? before.projectId : projectId,
    input: command.input === undefined ? before.input : (command.input ?? {}),
    ...(isRetimed ? timesFrom(command, timezone) : { ...timesOf(before), timezone }),
    overlap: command.overlap ?? before.overlap,
    catchUpSeconds: command.catchUpSeconds ?? before.catchUpSeconds,
    jitterSeconds: command.jitterSeconds ?? before.jitterSeconds,
    endsAt: command.endsAt === undefined ? before.endsAt : dateOf(command.endsAt),
    maxExecutions: command.maxExecutions === undefined ? before.maxExecutions : command.maxExecutions,
    pauseAfterFailures:
      command.pauseAfterFailures === undefined ? before.pauseAfterFailures : command.pauseAfterFailures,
  }
}

export function settingsOf(schedule: ScheduleRecord): ScheduleSettings {
  const { name, agent, task, projectId, input, overlap, catchUpSeconds, jitterSeconds } = schedule
  const { endsAt, maxExecutions, pauseAfterFailures } = schedule
  return {
    name,
    agent,
    task,
    projectId,
    input,
    ...timesOf(schedule),
    overlap,
    catchUpSeconds,
    jitterSeconds,
    endsAt,
    maxExecutions,
    pauseAfterFailures,
  }
}

/** Whether two settings are due at the same times: where no pattern is read by it, the zone is no more than a note. */
export function haveSameTimes(one: ScheduleTimes, other: ScheduleTimes): boolean {
  const isSameZone = one.timezone === other.timezone || one.cron === null
  const isSameMoment = one.runAt?.getTime() === other.runAt?.getTime()
  return one.cron === other.cron && one.everySeconds === other.everySeconds && isSameMoment && isSameZone
}

/** Whether two settings order the same runs. */
export function haveSameRun(one: RunWords, other: RunWords): boolean {
  return one.agent === other.agent && one.task === other.task && isDeepStrictEqual(one.input, other.input)
}

function timesOf({ cron, everySeconds, runAt, timezone }: ScheduleTimes): ScheduleTimes {
  return { cron, everySeconds, runAt, timezone }
}

function timesFrom(
  { cron = null, everySeconds = null, runAt }: Pick<ChangeScheduleCommand, 'cron' | 'everySeconds' | 'runAt'>,
  timezone: string,
): ScheduleTimes {
  return { cron, everySeconds, runAt: dateOf(runAt), timezone }
}

function dateOf(text: string | null | undefined): Date | null {
  return text == null ? null : new Date(text)
}
