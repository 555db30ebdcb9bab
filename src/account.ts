import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { AppError } from '#kernel/app-error.js'
import { FirstOwners, OperatorResetLinks, parseOperatorCommand } from '#modules/auth'
import { AppConfig } from '#platform/config/app-config.js'
import { provisionDatabase } from '#platform/database/provision.js'
import { AccountModule } from './account.module.js'

/**
 * `npm run account -- reset-link <email>` and `… first-owner <email> [team name]`: the operator's ways in, for a server
 * without mail or without open registration. With the server's own settings, also while it runs.
 */
async function main(args: readonly string[]): Promise<string> {
  const [command, email, tenantName] = parseOperatorCommand(args)
  const config = AppConfig.fromProcess()
  const database = await provisionDatabase(config, { mayShare: true })
  try {
    const module = AccountModule.forRoot({ config, databaseUrl: database.appUrl })
    const context = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false })
    try {
      if (command === 'reset-link') return await context.get(OperatorResetLinks, { strict: false }).issue(email)
      return await context.get(FirstOwners, { strict: false }).appoint(email, tenantName)
    } finally {
      await context.close()
    }
  } finally {
    await database.close()
  }
}

try {
  process.stdout.write(`${await main(process.argv.slice(2))}\n`)
  process.exit(0)
} catch (error) {
  const { message } = error as Error
  process.stderr.write(`temponest: ${(error instanceof AppError && error.detail) || message}\n`)
  process.exit(1)
}
