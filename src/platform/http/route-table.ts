/** The routes that exist, so that a wrong method on a known path can be told from an unknown path. */
export class RouteTable {
  private readonly routes: { readonly pattern: RegExp; readonly methods: Set<string> }[] = []
  private readonly byUrl = new Map<string, Set<string>>()

  /** @param url Fastify's pattern, such as `/v1/runs/:id`. */
  add(method: string | string[], url: string): void {
    let methods = this.byUrl.get(url)
    if (!methods) {
      methods = new Set()
      this.byUrl.set(url, methods)
      this.routes.push({ pattern: toRegExp(url), methods })
    }
    for (const one of [method].flat()) methods.add(one)
  }

  /** The methods that a path answers to; empty when there is no such path. */
  methodsOf(path: string): string[] {
    const found = this.routes.filter(({ pattern }) => pattern.test(path)).map(({ methods }) => methods)
    return Array.from(found.reduce((all, methods) => all.union(methods), new Set<string>())).sort()
  }
}

function toRegExp(url: string): RegExp {
  const source = url.split('/').map(patternOf).join('/')
  return new RegExp(`^${source}$`)
}

function patternOf(segment: string): string {
  if (segment === '*') return '.+'
  return segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
