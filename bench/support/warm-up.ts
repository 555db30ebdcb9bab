/**
 * Runs before a case begins to count, one at a time. V8 compiles what a run needs in its first eight hundred or so, which take half
 * as long again; PostgreSQL's statistics are made by then, too, as autovacuum makes them within a server's first minute.
 */
export const WARM_UP_RUNS = 1000
