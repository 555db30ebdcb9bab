import { Module } from '@nestjs/common'
import { ModelsModule } from '#modules/models'
import { CacheAdminController } from './cache-admin.controller.js'
import { CacheAdminService } from './cache-admin.service.js'

@Module({ imports: [ModelsModule], controllers: [CacheAdminController], providers: [CacheAdminService] })
export class AdminModule {}
