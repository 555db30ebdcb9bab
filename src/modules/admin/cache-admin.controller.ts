import { Body, Controller, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Endpoint } from '#platform/http/endpoint.js'
import { CurrentPrincipal, type Principal } from '#platform/http/principal.js'
import {
  type ClearCacheCommand,
  clearCacheSchema,
  type ClearedCache,
  clearedCacheSchema,
} from './cache-admin.schemas.js'
import { CacheAdminService } from './cache-admin.service.js'

@ApiTags('admin')
@Controller('v1/admin/cache')
export class CacheAdminController {
  constructor(private readonly caches: CacheAdminService) {}

  @Post('clear')
  @Endpoint({
    summary: "Empty your tenant's caches",
    access: 'cache:clear',
    idempotent: true,
    answers: [{ status: 200, description: 'Cleared, on every replica.', schema: clearedCacheSchema }],
    problems: [400],
  })
  clear(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: clearCacheSchema }) { scope }: ClearCacheCommand,
  ): Promise<ClearedCache> {
    return this.caches.clear(principal, scope)
  }
}
