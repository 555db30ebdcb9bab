import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import type { Counter } from 'prom-client'

const NAME = 'temponest_mails_total'

/** `refused`: the server will not take mail for this receiver; `retried`: it goes out later; `failed`: it never did. */
export type MailResult = 'sent' | 'retried' | 'refused' | 'failed'

/** What became of mails on this replica. */
@Injectable()
export class MailMetrics {
  constructor(@InjectMetric(NAME) private readonly counter: Counter) {}

  count(result: MailResult): void {
    this.counter.inc({ result })
  }
}

export const mailMetricsProviders = [
  MailMetrics,
  makeCounterProvider({ name: NAME, help: 'Attempts to send a mail, by what became of it.', labelNames: ['result'] }),
]
