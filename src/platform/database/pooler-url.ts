/**
 * The connection string of the role that serves requests, through a pooler in transaction mode where there is one. Of
 * `poolerUrl` everything counts but the role: that is always `appUrl`'s, so that a pooler cannot be a way round it.
 */
export function throughPooler(appUrl: string, poolerUrl: string | undefined): string {
  if (poolerUrl === undefined) return appUrl
  const { username, password } = new URL(appUrl)
  return Object.assign(new URL(poolerUrl), { username, password }).href
}
