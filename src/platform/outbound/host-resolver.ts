import type { LookupAddress } from 'node:dns'

/** Finds a host's addresses. The network is behind it, hence a port. */
export abstract class HostResolver {
  /** @throws Error with the resolver's code, `ENOTFOUND` when nobody knows the name */
  abstract resolve(hostname: string): Promise<readonly LookupAddress[]>
}
