export { ScheduleEnded, ScheduleMissed, SchedulePaused } from './schedules/schedule.events.js'
export { SchedulerModule } from './scheduler.module.js'
