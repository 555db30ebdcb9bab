import { readFileSync } from 'node:fs'

/** The version in package.json, three steps up from here and from the built file alike. */
export const APP_VERSION = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
