import { AppConfig } from '../config/app-config.js'
import { Migrator } from './migrator.js'
import { openOwnerTarget, provisionDatabase } from './provision.js'

/** `npm run migrate` brings the database up to date; `npm run migrate -- down` undoes the newest migration. */
async function main(direction: string): Promise<string> {
  const config = AppConfig.fromProcess()
  if (direction === 'down') {
    await using target = await openOwnerTarget(config)
    return (await new Migrator(target).down()) ? 'undid the newest migration' : 'there is no migration to undo'
  }
  if (direction !== 'up') throw new Error(`unknown direction ${direction}: up or down`)
  const database = await provisionDatabase(config)
  await database.close()
  const unknown = database.unknownMigrations.join(', ')
  if (unknown) process.stderr.write(`temponest: tenancy_check_skipped: ${unknown}: not this version's migrations\n`)
  return `up to date: ${database.description}`
}

try {
  process.stdout.write(`temponest: ${await main(process.argv[2] ?? 'up')}\n`)
  process.exit(0)
} catch (error) {
  process.stderr.write(`temponest: ${(error as Error).message}\n`)
  process.exit(1)
}
