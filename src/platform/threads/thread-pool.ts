import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'

/** Half a minute without work ends the thread, and gives back what its tables take: 60 MB for the token counter. */
const IDLE_TIMEOUT_MS = 30_000
/**
 * The pool asks for the worker with `require` and, where that fails, imports it. A thread that is ended while Node 24 requires
 * an ES module takes the whole process with it (`Assertion failed: facade->InstantiateModule`), and ours are ended whenever
 * a check runs out of time, a call is given up, or the server stops. An import that is cut short harms nobody.
 */
const IMPORT_WORKERS = ['--no-experimental-require-module']

/**
 * One thread for work that would hold up the event loop, started at the first task and ended when there is nothing to do.
 *
 * @param parent the caller's `import.meta.url`
 * @param name of the worker beside the caller, without its extension: built in `dist`, and in tests the source, whose types Node strips
 */
export function createThreadPool<Task, Result>(parent: string, name: string): Piscina<Task, Result> {
  return new Piscina({
    filename: fileURLToPath(new URL(`${name}${extname(parent)}`, parent)),
    execArgv: IMPORT_WORKERS,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_TIMEOUT_MS,
  })
}
