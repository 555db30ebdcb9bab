import type { CostFilter } from './cost-filter.schemas.js'

/** Adds a value to a statement. @returns its place, such as `$3` */
export type AddParameter = (value: unknown) => string

/** The conditions of a filter but for its times, for entries, the tail and the sums in full alike; `tenant` is the tenant's place. */
export function conditionsOf(filter: CostFilter, tenant: string, add: AddParameter): string[] {
  const { agent, model, project, user, key } = filter
  return [
    ...(agent === undefined ? [] : [`agent = ${add(agent)}`]),
    ...(model === undefined ? [] : [`model = ${add(model)}`]),
    // Several, where one that is deleted had the slug before.
    ...(project === undefined
      ? []
      : [`project_id = ANY (ARRAY(SELECT id FROM projects WHERE tenant_id = ${tenant} AND slug = ${add(project)}))`]),
    ...(user === undefined ? [] : [`user_id = ${add(user)}`]),
    ...(key === undefined ? [] : [`api_key_id = ${add(key)}`]),
  ]
}
