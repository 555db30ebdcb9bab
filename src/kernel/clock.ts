/** The time, injectable so that tests can hold it still. */
export abstract class Clock {
  abstract now(): Date
}

export class SystemClock extends Clock {
  override now(): Date {
    return new Date()
  }
}
