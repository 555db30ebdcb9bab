import { Global, Module } from '@nestjs/common'
import { mailMetricsProviders } from './mail-metrics.js'
import { Mailer } from './mailer.js'

@Global()
@Module({ providers: [Mailer, ...mailMetricsProviders], exports: [Mailer] })
export class MailModule {}
