/** The little of autocannon that the bench uses, so that the repository's type check needs no install in bench/. */
declare module 'autocannon' {
  interface Options {
    url: string
    connections: number
    /** Seconds. */
    duration?: number
    /** Requests in all, instead of a duration. */
    amount?: number
    headers?: Record<string, string>
    requests?: Request[]
  }

  export interface Request {
    method?: 'GET' | 'POST'
    path?: string
    body?: string
    headers?: Record<string, string>
    /** Called for each request before it is sent. */
    setupRequest?: (request: Request) => Request
  }

  interface Result {
    '2xx': number
    non2xx: number
    errors: number
    /** Seconds, as measured. */
    duration: number
  }

  interface Instance extends PromiseLike<Result> {
    on(event: 'response', listener: (client: unknown, status: number, bytes: number, ms: number) => void): this
  }

  export default function autocannon(options: Options): Instance
}
