-- Runs and costs of a project go on naming it once it is deleted, and are asked for by that slug: to find which projects have or had
-- it must not be to read all that the tenant ever had.

-- up
-- The last column for who asks for the one that has the slug now: where the planner takes this index for it, others are not read.
CREATE INDEX idx_projects_tenant_slug ON projects (tenant_id, slug, deleted_at);

-- down
DROP INDEX idx_projects_tenant_slug;
