export { ENDED_REASONS, PAUSED_REASONS } from './schedules/schedule.js'
export { ScheduleEnded, ScheduleMissed, SchedulePaused } from './schedules/schedule.events.js'
export { SchedulerModule } from './scheduler.module.js'
