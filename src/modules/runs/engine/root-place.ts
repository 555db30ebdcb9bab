/** SQL: where a run, `r` in the statement, of the tenant `$1` stands in the queue: with its root. */
export const ROOT_PLACE = '(SELECT o.created_at FROM runs o WHERE o.tenant_id = $1 AND o.id = r.root_run_id)'
