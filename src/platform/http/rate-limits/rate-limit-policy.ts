import { Injectable } from '@nestjs/common'
import { AppConfig } from '../../config/app-config.js'
import { clientNetwork } from '../client-network.js'
import type { AuthenticatedRequest, Principal } from '../principal.js'
import { type Charge, type Limit, perHour, perMinute } from './limit.js'
import type { RouteLimit } from './route-limit.js'

/** Limits that count a principal's requests, wherever they come from. */
type PrincipalLimit = 'schedule-create' | 'schedule-trigger'

/** Which limits a request counts against, by who sends it and which route it is for. */
@Injectable()
export class RateLimitPolicy {
  private readonly tiers: Readonly<Record<'anonymous' | 'authenticated' | 'admin', Limit>>
  private readonly byAddress: Readonly<Record<Exclude<RouteLimit, 'agent-run' | PrincipalLimit>, Limit>>
  private readonly byPrincipal: Readonly<Record<PrincipalLimit, Limit>>
  private readonly agentRuns: Limit
  private readonly runsOfAgent: ReadonlyMap<unknown, Limit>

  constructor({ settings }: AppConfig) {
    this.tiers = {
      anonymous: perMinute('anonymous', settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE),
      authenticated: perMinute('authenticated', settings.RATE_LIMIT_AUTHENTICATED_PER_MINUTE),
      admin: perMinute('admin', settings.RATE_LIMIT_ADMIN_PER_MINUTE),
    }
    this.byAddress = {
      login: perMinute('login', settings.RATE_LIMIT_LOGIN_PER_MINUTE),
      register: perHour('register', settings.RATE_LIMIT_REGISTER_PER_HOUR),
      refresh: perMinute('refresh', settings.RATE_LIMIT_REFRESH_PER_MINUTE),
      'password-reset': perHour('password-reset', settings.RATE_LIMIT_PASSWORD_RESET_PER_HOUR),
      'invitation-accept': perHour('invitation-accept', settings.RATE_LIMIT_INVITATION_ACCEPT_PER_HOUR),
      health: perMinute('health', settings.RATE_LIMIT_HEALTH_PER_MINUTE),
      'csp-reports': perMinute('csp-reports', settings.RATE_LIMIT_CSP_REPORTS_PER_MINUTE),
    }
    this.byPrincipal = {
      'schedule-create': perHour('schedule-create', settings.RATE_LIMIT_SCHEDULE_CREATIONS_PER_HOUR),
      'schedule-trigger': perHour('schedule-trigger', settings.RATE_LIMIT_SCHEDULE_TRIGGERS_PER_HOUR),
    }
    this.agentRuns = perMinute('agent-run', settings.RATE_LIMIT_AGENT_RUNS_PER_MINUTE)
    this.runsOfAgent = new Map([
      ['overseer', perMinute('agent-run', settings.RATE_LIMIT_OVERSEER_RUNS_PER_MINUTE)],
      ['qa-tester', perMinute('agent-run', settings.RATE_LIMIT_QA_TESTER_RUNS_PER_MINUTE)],
    ])
  }

  /** Every limit but those of single API keys. */
  get limits(): readonly Limit[] {
    const { tiers, byAddress, byPrincipal, agentRuns, runsOfAgent } = this
    const fixed = [tiers, byAddress, byPrincipal].flatMap((limits) => Object.values<Limit>(limits))
    return [...fixed, agentRuns, ...runsOfAgent.values()]
  }

  /**
   * The tier first: a request that it refuses takes none of the few registrations of the hour. Credentials that were
   * refused leave no principal, and count by address.
   */
  chargesFor({ ip, params, principal }: AuthenticatedRequest, route: RouteLimit | undefined): Charge[] {
    // Load balancers ask for health often, and browsers report at any page's wish: neither may use up what people have who
    // share the address, nor they theirs.
    if (route === 'health' || route === 'csp-reports') return [charge(this.byAddress[route], clientNetwork(ip))]
    const tier = principal ? this.tierOf(principal) : charge(this.tiers.anonymous, clientNetwork(ip))
    if (route === undefined) return [tier]
    const isOfPrincipal = route === 'agent-run' || route === 'schedule-create' || route === 'schedule-trigger'
    if (!isOfPrincipal) return [tier, charge(this.byAddress[route], clientNetwork(ip))]
    // It is about to be refused.
    if (!principal) return [tier]
    if (route === 'agent-run') return [tier, this.runOf(principal, (params as { slug?: unknown }).slug)]
    return [tier, charge(this.byPrincipal[route], subjectOf(principal))]
  }

  private tierOf(principal: Principal): Charge {
    const { role, rateLimitPerMinute } = principal
    const tier = role === 'admin' || role === 'owner' ? this.tiers.admin : this.tiers.authenticated
    // A key that was made in a higher tier has no more than the tier that its maker is in now.
    const isLower = rateLimitPerMinute !== null && rateLimitPerMinute < tier.quota
    return charge(isLower ? perMinute('api-key', rateLimitPerMinute) : tier, subjectOf(principal))
  }

  private runOf(principal: Principal, slug: unknown): Charge {
    return charge(this.runsOfAgent.get(slug) ?? this.agentRuns, `${subjectOf(principal)}:${String(slug)}`)
  }
}

/** A person is one in all of his sessions; a key is counted apart from who made it. */
function subjectOf({ apiKeyId, userId }: Principal): string {
  return apiKeyId ?? userId
}

function charge(limit: Limit, subject: string): Charge {
  return { limit, key: `${limit.name}:${subject}` }
}
