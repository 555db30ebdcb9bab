import { Module } from '@nestjs/common'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordHasher } from '../passwords/password-hasher.js'
import { OneTimeTokensRepository } from '../recovery/one-time-tokens.repository.js'
import { OneTimeTokens } from '../recovery/one-time-tokens.service.js'
import { FirstOwners } from './first-owners.service.js'
import { OperatorResetLinks } from './operator-reset-links.service.js'

/** What the operator's command needs of accounts, and no more: it serves nobody and takes no jobs from the server. */
@Module({
  providers: [
    AccountEvents,
    AccountsRepository,
    FirstOwners,
    OneTimeTokens,
    OneTimeTokensRepository,
    OperatorResetLinks,
    PasswordHasher,
  ],
})
export class OperatorModule {}
