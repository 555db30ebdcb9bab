import { Injectable } from '@nestjs/common'
import { MoreThan } from 'typeorm'
import type { Tx } from '#platform/database/tx.js'
import { PendingRegistrationEntity } from './pending-registration.entity.js'

/** First half of the lock's key; the other is of the address. */
const ADDRESS_LOCK = 0x70656e64

/** Registrations that wait for their link. Scope: `presentedHash` of the address, unless a method says otherwise. */
@Injectable()
export class PendingRegistrationsRepository {
  /** Until the transaction ends, nobody else adds or takes registrations of the address. */
  async lockAddress(emailHash: Buffer, tx: Tx): Promise<void> {
    const values = [ADDRESS_LOCK, emailHash.readInt32BE()]
    await tx.execute({ text: 'SELECT pg_advisory_xact_lock($1, $2)', values })
  }

  countSince(emailHash: Buffer, since: Date, tx: Tx): Promise<number> {
    return tx.entities.countBy(PendingRegistrationEntity, { emailHash, createdAt: MoreThan(since) })
  }

  async add(registration: PendingRegistrationEntity, tx: Tx): Promise<void> {
    await tx.entities.insert(PendingRegistrationEntity, registration)
  }

  /** The one whose link was presented, while it works. Scope: `presentedHash` of the link's token. */
  findPresented(tokenHash: Buffer, now: Date, tx: Tx): Promise<PendingRegistrationEntity | null> {
    return tx.entities.findOneBy(PendingRegistrationEntity, { tokenHash, expiresAt: MoreThan(now) })
  }

  /** Those of an address, newest first. */
  list(emailHash: Buffer, now: Date, tx: Tx): Promise<PendingRegistrationEntity[]> {
    const where = { emailHash, expiresAt: MoreThan(now) }
    return tx.entities.find(PendingRegistrationEntity, { where, order: { createdAt: 'DESC' } })
  }

  /** @returns whether it was there */
  async delete({ tokenHash, emailHash }: PendingRegistrationEntity, tx: Tx): Promise<boolean> {
    const { affected } = await tx.entities.delete(PendingRegistrationEntity, { tokenHash, emailHash })
    return affected === 1
  }

  async deleteAll(emailHash: Buffer, tx: Tx): Promise<void> {
    await tx.entities.delete(PendingRegistrationEntity, { emailHash })
  }
}
