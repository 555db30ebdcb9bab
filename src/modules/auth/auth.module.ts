import { Module } from '@nestjs/common'
import { APP_GUARD } from '@nestjs/core'
import { JwtModule } from '@nestjs/jwt'
import { PassportModule } from '@nestjs/passport'
import { RateLimitGuard } from '#platform/http/rate-limits/rate-limit.guard.js'
import { AccessRefusalsJob } from './access/access-refusals.job.js'
import { AccessRefusals } from './access/access-refusals.service.js'
import { authCacheMetricsProviders } from './access/auth-cache-metrics.service.js'
import { AuthenticationGuard } from './access/authentication.guard.js'
import { AuthorizationGuard } from './access/authorization.guard.js'
import { PrincipalCache } from './access/principal-cache.service.js'
import { PrincipalCheck } from './access/principal-check.service.js'
import { Principals } from './access/principals.service.js'
import { StandingPermissions } from './access/standing-permissions.service.js'
import { StandingsRepository } from './access/standings.repository.js'
import { AccountEvents } from './accounts/account-events.service.js'
import { AccountController } from './accounts/account.controller.js'
import { AccountService } from './accounts/account.service.js'
import { AccountsRepository } from './accounts/accounts.repository.js'
import { InvitationAcceptance } from './invitations/invitation-acceptance.service.js'
import { InvitationDelivery } from './invitations/invitation-delivery.service.js'
import { InvitationQuota } from './invitations/invitation-quota.service.js'
import { InvitationsController } from './invitations/invitations.controller.js'
import { InvitationsRepository } from './invitations/invitations.repository.js'
import { Invitations } from './invitations/invitations.service.js'
import { Invitees } from './invitations/invitees.service.js'
import { NewMembers } from './invitations/new-members.service.js'
import { MemberChanges } from './members/member-changes.service.js'
import { MembersController } from './members/members.controller.js'
import { MembersRepository } from './members/members.repository.js'
import { Members } from './members/members.service.js'
import { ApiKeyDirectory } from './api-keys/api-key-directory.service.js'
import { ApiKeyMinting } from './api-keys/api-key-minting.service.js'
import { ApiKeyUses } from './api-keys/api-key-uses.service.js'
import { ApiKeysController } from './api-keys/api-keys.controller.js'
import { ApiKeysRepository } from './api-keys/api-keys.repository.js'
import { ApiKeys } from './api-keys/api-keys.service.js'
import { PasswordChange } from './passwords/password-change.service.js'
import { PasswordHasher } from './passwords/password-hasher.js'
import { PasswordPolicy } from './passwords/password-policy.service.js'
import { PasswordRehash } from './passwords/password-rehash.service.js'
import { PasswordSetter } from './passwords/password-setter.service.js'
import { MemberPasswordResetController } from './recovery/member-password-reset.controller.js'
import { MemberPasswordReset } from './recovery/member-password-reset.service.js'
import { OneTimeTokensRepository } from './recovery/one-time-tokens.repository.js'
import { OneTimeTokens } from './recovery/one-time-tokens.service.js'
import { PasswordReset } from './recovery/password-reset.service.js'
import { RecoveryMailJob } from './recovery/recovery-mail.job.js'
import { RecoveryMails } from './recovery/recovery-mails.service.js'
import { RecoveryController } from './recovery/recovery.controller.js'
import { ResetConsequences } from './recovery/reset-consequences.service.js'
import { EmailVerificationController } from './registration/email-verification.controller.js'
import { EmailVerification } from './registration/email-verification.service.js'
import { PendingRegistrationsJob } from './registration/pending-registrations.job.js'
import { PendingRegistrations } from './registration/pending-registrations.service.js'
import { PendingRegistrationsRepository } from './registration/pending-registrations.repository.js'
import { ProvedRegistrations } from './registration/proved-registrations.service.js'
import { RegistrationLinks } from './registration/registration-links.service.js'
import { RegistrationController } from './registration/registration.controller.js'
import { Registration } from './registration/registration.service.js'
import { AccessTokens } from './sessions/access-tokens.js'
import { AuthSweep } from './sessions/auth-sweep.job.js'
import { AuthSweepRepository } from './sessions/auth-sweep.repository.js'
import { AttemptsInFlight } from './sessions/attempts-in-flight.service.js'
import { CsrfProtection } from './sessions/csrf-protection.service.js'
import { FailedLoginJob } from './sessions/failed-login.job.js'
import { FailedLogins } from './sessions/failed-logins.service.js'
import { JwtKeys } from './sessions/jwt-keys.service.js'
import { JwtStrategy } from './sessions/jwt.strategy.js'
import { LoginAttemptsRepository } from './sessions/login-attempts.repository.js'
import { LoginLockout } from './sessions/login-lockout.service.js'
import { PasswordAttempts } from './sessions/password-attempts.service.js'
import { Refresh } from './sessions/refresh.service.js'
import { ReplayedSessions } from './sessions/replayed-sessions.service.js'
import { SessionAnswers } from './sessions/session-answers.service.js'
import { SessionIssuer } from './sessions/session-issuer.service.js'
import { SessionsController } from './sessions/sessions.controller.js'
import { SessionsRepository } from './sessions/sessions.repository.js'
import { Sessions } from './sessions/sessions.service.js'
import { SignInController } from './sessions/sign-in.controller.js'
import { SignIn } from './sessions/sign-in.service.js'
import { SignOut } from './sessions/sign-out.service.js'
import { VerifiedTokens } from './sessions/verified-tokens.js'

const access = [
  AccessRefusals,
  AccessRefusalsJob,
  PrincipalCache,
  PrincipalCheck,
  Principals,
  StandingPermissions,
  StandingsRepository,
  ...authCacheMetricsProviders,
]
const accounts = [AccountEvents, AccountService, AccountsRepository]
const registration = [
  EmailVerification,
  PendingRegistrations,
  PendingRegistrationsJob,
  PendingRegistrationsRepository,
  ProvedRegistrations,
  Registration,
  RegistrationLinks,
]
const recovery = [
  MemberPasswordReset,
  OneTimeTokens,
  OneTimeTokensRepository,
  PasswordReset,
  RecoveryMailJob,
  RecoveryMails,
  ResetConsequences,
]
const members = [MemberChanges, Members, MembersRepository]
const invitations = [
  InvitationAcceptance,
  InvitationDelivery,
  InvitationQuota,
  Invitations,
  InvitationsRepository,
  Invitees,
  NewMembers,
]
const apiKeys = [ApiKeyDirectory, ApiKeyMinting, ApiKeys, ApiKeysRepository, ApiKeyUses]
const passwords = [PasswordChange, PasswordHasher, PasswordPolicy, PasswordRehash, PasswordSetter]
const sessions = [
  AccessTokens,
  AttemptsInFlight,
  AuthSweep,
  AuthSweepRepository,
  CsrfProtection,
  FailedLoginJob,
  FailedLogins,
  JwtKeys,
  JwtStrategy,
  LoginAttemptsRepository,
  LoginLockout,
  PasswordAttempts,
  Refresh,
  ReplayedSessions,
  SessionAnswers,
  SessionIssuer,
  Sessions,
  SessionsRepository,
  SignIn,
  SignOut,
  VerifiedTokens,
]
/** In this order: who asks, whether he asks too often, whether he may. */
const guards = [
  { provide: APP_GUARD, useClass: AuthenticationGuard },
  { provide: APP_GUARD, useExisting: RateLimitGuard },
  { provide: APP_GUARD, useClass: AuthorizationGuard },
]

@Module({
  imports: [PassportModule.register({ session: false }), JwtModule.register({})],
  controllers: [
    RegistrationController,
    EmailVerificationController,
    SignInController,
    SessionsController,
    AccountController,
    RecoveryController,
    MemberPasswordResetController,
    MembersController,
    InvitationsController,
    ApiKeysController,
  ],
  providers: [
    ...access,
    ...accounts,
    ...registration,
    ...recovery,
    ...members,
    ...invitations,
    ...apiKeys,
    ...passwords,
    ...sessions,
    ...guards,
  ],
  exports: [ApiKeyDirectory, PrincipalCheck, StandingPermissions],
})
export class AuthModule {}
