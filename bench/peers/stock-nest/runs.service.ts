import { Injectable, NotFoundException } from '@nestjs/common'
import { InjectRepository } from '@nestjs/typeorm'
import { Repository } from 'typeorm'
import { RunEntity } from './run.entity.ts'
import { RunResponse } from './run.response.ts'

@Injectable()
export class RunsService {
  constructor(@InjectRepository(RunEntity) private readonly runs: Repository<RunEntity>) {}

  async get(tenantId: string, id: string): Promise<RunResponse> {
    const run = await this.runs.findOneBy({ tenantId, id })
    if (run === null) throw new NotFoundException()
    return new RunResponse(run)
  }
}
