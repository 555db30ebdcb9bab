import type { TenantLoad } from './queue.repository.js'

/** Tenants whose last turn is known; more only when more have runs in flight. */
export const MAX_REMEMBERED_TENANTS = 200

/** The runs that one replica can have in flight, and how many of them one tenant can. */
export class RunSlots {
  /** In flight, in the order in which tenants last got a slot; some with none in flight, whose turn was lately. */
  private readonly byTenant = new Map<string, number>()
  private used = 0
  private isClosed = false

  constructor(
    private readonly size: number,
    readonly tenantSize: number,
  ) {}

  get free(): number {
    return this.isClosed ? 0 : this.size - this.used
  }

  get inUse(): number {
    return this.used
  }

  /** Tenants in the order in which they last got a slot. */
  get loads(): TenantLoad[] {
    return [...this.byTenant].map(([tenantId, runs]) => ({ tenantId, runs }))
  }

  /** Whether there is none for this tenant. */
  isFull(tenantId: string): boolean {
    return this.free <= 0 || (this.byTenant.get(tenantId) ?? 0) >= this.tenantSize
  }

  /** Tenants that have as many in flight as they may. */
  get fullTenants(): string[] {
    return this.loads.filter(({ runs }) => runs >= this.tenantSize).map(({ tenantId }) => tenantId)
  }

  /** Whether there was one. */
  take(tenantId: string): boolean {
    if (this.isFull(tenantId)) return false
    this.used += 1
    const runs = this.byTenant.get(tenantId) ?? 0
    this.byTenant.delete(tenantId)
    this.byTenant.set(tenantId, runs + 1)
    this.forgetTurns()
    return true
  }

  leave(tenantId: string): void {
    const runs = this.byTenant.get(tenantId)
    if (!runs) throw new Error('nobody of this tenant holds a slot')
    this.used -= 1
    this.byTenant.set(tenantId, runs - 1)
  }

  /** Nobody gets in any more; those inside stay until they leave. */
  close(): void {
    this.isClosed = true
  }

  /** Whoever is forgotten counts as who was never served, which is nearly true of the one whose turn was the longest ago. */
  private forgetTurns(): void {
    for (const [tenantId, runs] of this.byTenant) {
      if (this.byTenant.size <= MAX_REMEMBERED_TENANTS) return
      if (runs === 0) this.byTenant.delete(tenantId)
    }
  }
}
