import { lookup } from 'node:dns/promises'
import type { LookupAddress } from 'node:dns'
import { Injectable } from '@nestjs/common'

/** Finds a host's addresses as the operating system does, `/etc/hosts` included. The network is behind it, hence a port. */
@Injectable()
export class HostResolver {
  /** @throws Error with the system's code, `ENOTFOUND` when nobody knows the name */
  async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    return lookup(hostname, { all: true })
  }
}
