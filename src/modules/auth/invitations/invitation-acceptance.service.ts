import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { UserLoggedIn } from '../auth.events.js'
import { MemberJoined } from '../members/members.events.js'
import { MEMBERS_TAG } from '../members/members.schemas.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import { SessionIssuer } from '../sessions/session-issuer.service.js'
import type { NewlySignedIn, SignedIn } from '../sessions/sign-in.service.js'
import type { InvitationEntity } from './invitation.entity.js'
import { parseInvitationToken } from './invitation-token.js'
import { InvitationAccepted } from './invitations.events.js'
import { InvitationsRepository } from './invitations.repository.js'
import type { AcceptInvitationCommand } from './invitations.schemas.js'
import { type Invitee, Invitees } from './invitees.service.js'
import { NewMembers } from './new-members.service.js'

/** Lets people in who were invited. */
@Injectable()
export class InvitationAcceptance {
  constructor(
    private readonly database: Database,
    private readonly invitations: InvitationsRepository,
    private readonly invitees: Invitees,
    private readonly newMembers: NewMembers,
    private readonly issuer: SessionIssuer,
    private readonly events: EventBus,
    private readonly epochs: Epochs,
    private readonly responses: ResponseCache,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the invited one a member, once, and opens a session of his in the tenant.
   * @throws AppError `not_found` in the same words for every invitation that does not stand; what `Invitees` throws
   */
  async accept(
    command: AcceptInvitationCommand,
    principal: Principal | undefined,
    client: ClientInfo,
  ): Promise<SignedIn> {
    const invitation = await this.find(command.token)
    const { tenantId } = invitation
    const invitee = await this.invitees.identify(invitation, command, principal)
    const signedIn = await this.database.transaction({ tenantId, userId: invitee.userId }, (tx) =>
      this.admit({ invitation, invitee, name: command.name ?? null, client }, tx),
    )
    await Promise.all([
      this.epochs.advance(signedIn.tokens.displaced.map(sessionEpoch)),
      this.responses.invalidate([tenantId], [MEMBERS_TAG]),
    ])
    return signedIn
  }

  private async find(text: string): Promise<InvitationEntity> {
    const token = parseInvitationToken(text)
    const invitation =
      token &&
      (await this.database.transaction({ presentedHash: token.hash }, (tx) =>
        this.invitations.findPresented(token.hash, this.clock.now(), tx),
      ))
    if (!invitation) throw invalidInvitation()
    return invitation
  }

  private async admit({ invitation, invitee, name, client }: Admission, tx: Tx): Promise<NewlySignedIn> {
    const { tenantId, id, email, role } = invitation
    const { userId } = invitee
    // First: of two who accept at once the second waits here, and finds it used.
    if (!(await this.invitations.claim(invitation, this.clock.now(), tx))) throw invalidInvitation()
    const account = await this.newMembers.add({ invitation, invitee, name }, tx)
    const tokens = await this.issuer.open({ tenantId, userId }, client, tx)
    await this.events.emit(new InvitationAccepted(tenantId, id, { userId, email, role }), tx)
    await this.events.emit(new MemberJoined(tenantId, userId, role), tx)
    await this.events.emit(new UserLoggedIn(tenantId, userId, tokens.sessionId), tx)
    return { account, tokens }
  }
}

interface Admission {
  readonly invitation: InvitationEntity
  readonly invitee: Invitee
  readonly name: string | null
  readonly client: ClientInfo
}

function invalidInvitation(): AppError {
  return new AppError('not_found', 'not_found', {
    detail: 'This invitation does not stand any more: ask for a new one.',
  })
}
