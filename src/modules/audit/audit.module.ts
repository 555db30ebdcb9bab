import { Module } from '@nestjs/common'
import { AuditLogController } from './audit-log.controller.js'
import { AuditLogRepository } from './audit-log.repository.js'
import { AuditLogService } from './audit-log.service.js'
import { AuditVerificationService } from './audit-verification.service.js'
import { AuditSubscriber } from './audit.subscriber.js'

@Module({
  controllers: [AuditLogController],
  providers: [AuditSubscriber, AuditLogRepository, AuditLogService, AuditVerificationService],
})
export class AuditModule {}
