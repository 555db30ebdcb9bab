import { Module } from '@nestjs/common'
import { CacheAdminController } from './cache-admin.controller.js'
import { CacheAdminService } from './cache-admin.service.js'

@Module({ controllers: [CacheAdminController], providers: [CacheAdminService] })
export class AdminModule {}
