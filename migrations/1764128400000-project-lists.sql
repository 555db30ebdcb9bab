-- A project's runs of one status or one agent, newest first, without a walk over all of its runs: whether there are few or many
-- of them, a page reads what it shows. And pages of projects themselves.

-- up
-- Ids grow with time, so that they order as `created_at` did, and are what pages go on after.
DROP INDEX idx_runs_project_status_created;
CREATE INDEX idx_runs_project_status_created ON runs (tenant_id, project_id, status, id DESC) WHERE project_id IS NOT NULL;
-- The status, which the policies ask for: to count takes no look at the rows.
CREATE INDEX idx_runs_project_agent ON runs (tenant_id, project_id, agent, id DESC) INCLUDE (status) WHERE project_id IS NOT NULL;
-- Deleted projects stay as rows: a page must not walk over them.
CREATE INDEX idx_projects_newest ON projects (tenant_id, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_projects_active ON projects (tenant_id, id DESC) WHERE deleted_at IS NULL AND archived_at IS NULL;
CREATE INDEX idx_projects_archived ON projects (tenant_id, id DESC) WHERE deleted_at IS NULL AND archived_at IS NOT NULL;

-- down
DROP INDEX idx_projects_archived, idx_projects_active, idx_projects_newest, idx_runs_project_agent, idx_runs_project_status_created;
CREATE INDEX idx_runs_project_status_created ON runs (tenant_id, project_id, status, created_at DESC);
