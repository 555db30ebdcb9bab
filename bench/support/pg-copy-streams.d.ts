/** The package brings no types of its own. */
declare module 'pg-copy-streams' {
  import type { Writable } from 'node:stream'
  import type { Submittable } from 'pg'

  /** Takes what `COPY … FROM STDIN` is to read. */
  export function from(text: string): Writable & Submittable
}
