import { Global, Module } from '@nestjs/common'
import { ClaimLeases } from './claim-leases.job.js'
import { Claims } from './claims.service.js'
import { IdempotencySweep } from './idempotency-sweep.job.js'
import { IdempotencyRepository } from './idempotency.repository.js'
import { Idempotency } from './idempotency.service.js'

/** Global, since `@Endpoint` puts the interceptor before routes of every module. */
@Global()
@Module({
  providers: [Claims, ClaimLeases, Idempotency, IdempotencyRepository, IdempotencySweep],
  exports: [Claims, ClaimLeases, Idempotency],
})
export class IdempotencyModule {}
