import type { DestinationStream } from 'pino'

/** A line of the log: its event and its fields. */
export type LogLine = Readonly<Record<string, unknown>>

/** Where an app under test logs. */
export class TestLog implements DestinationStream {
  private lines: LogLine[] = []

  write(line: string): void {
    this.lines.push(JSON.parse(line) as LogLine)
  }

  /** The lines of one event so far, in their order, which are then forgotten: a test that expects some takes them. */
  take(event: string): LogLine[] {
    const taken = this.lines.filter((line) => line['event'] === event)
    this.lines = this.lines.filter((line) => line['event'] !== event)
    return taken
  }
}
