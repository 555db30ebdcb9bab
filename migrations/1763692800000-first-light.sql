-- The ground that everything stands on: tenants and their people, sessions, projects, runs and what they cost.
-- Row-level security is forced from the first day, and the role that serves requests owns nothing: a query that forgets
-- its tenant finds no rows. Tables of a tenant have keys that begin with tenant_id and reference each other with it, so
-- that a row of one tenant cannot point at a row of another even where a policy is wrong.
-- Policies read `app.current_tenant`, set by parameter at the start of each transaction (src/platform/database/scope.ts).

-- up
CREATE FUNCTION app_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.current_tenant', true), '')::uuid;

CREATE FUNCTION app_user() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.current_user', true), '')::uuid;

CREATE TABLE tenants (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  created_at timestamptz NOT NULL
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_own ON tenants USING (id = app_tenant()) WITH CHECK (id = app_tenant());

CREATE TABLE users (
  id            uuid PRIMARY KEY,
  email         text NOT NULL CONSTRAINT users_email_lowercase CHECK (email = lower(email)),
  name          text,
  password_hash text NOT NULL,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  CONSTRAINT users_email_key UNIQUE (email)
);

CREATE TABLE memberships (
  tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role       text NOT NULL CONSTRAINT memberships_role_check CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX idx_memberships_user ON memberships (user_id);
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY memberships_tenant ON memberships USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
-- A user sees the tenants that he belongs to before he has chosen one.
CREATE POLICY memberships_self ON memberships FOR SELECT USING (user_id = app_user());

-- A user is no tenant's: he is visible to himself, to the people of the tenant at hand, and to a sign-in that names his address.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY users_self ON users USING (id = app_user()) WITH CHECK (id = app_user());
CREATE POLICY users_sign_in ON users FOR SELECT USING (email = nullif(current_setting('app.sign_in_email', true), ''));
CREATE POLICY users_colleagues ON users FOR SELECT
  USING (EXISTS (SELECT 1 FROM memberships m WHERE m.tenant_id = app_tenant() AND m.user_id = users.id));

-- A sign-in. Its refresh tokens are a chain: each is used once and replaced; a second use ends the session.
CREATE TABLE sessions (
  tenant_id  uuid NOT NULL,
  id         uuid NOT NULL,
  user_id    uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX idx_sessions_tenant_user ON sessions (tenant_id, user_id);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY sessions_tenant ON sessions USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

CREATE TABLE refresh_tokens (
  tenant_id  uuid NOT NULL,
  token_hash bytea NOT NULL,
  session_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at    timestamptz,
  PRIMARY KEY (tenant_id, token_hash),
  FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_refresh_tokens_tenant_session ON refresh_tokens (tenant_id, session_id);
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY refresh_tokens_tenant ON refresh_tokens USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

CREATE TABLE projects (
  tenant_id   uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id          uuid NOT NULL,
  slug        text NOT NULL,
  name        text NOT NULL,
  description text,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT projects_tenant_slug_key UNIQUE (tenant_id, slug)
);
ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
CREATE POLICY projects_tenant ON projects USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- The truth of a run. A worker holds it by a lease and writes with the fencing number that it claimed; whoever claims it
-- after a crash has a higher number, and the late worker's writes match nothing.
CREATE TABLE runs (
  tenant_id           uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id                  uuid NOT NULL,
  project_id          uuid,
  agent               text NOT NULL,
  agent_version       integer NOT NULL,
  status              text NOT NULL CONSTRAINT runs_status_check
                      CHECK (status IN ('pending', 'running', 'waiting_approval', 'completed', 'failed', 'cancelled')),
  task                text NOT NULL,
  context             text,
  model               text NOT NULL,
  input               jsonb NOT NULL,
  output              jsonb,
  error_code          text,
  error_detail        text,
  input_tokens        bigint NOT NULL DEFAULT 0,
  cached_input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens       bigint NOT NULL DEFAULT 0,
  reasoning_tokens    bigint NOT NULL DEFAULT 0,
  cost_usd            numeric,
  cache               text NOT NULL DEFAULT 'off' CONSTRAINT runs_cache_check CHECK (cache IN ('hit', 'miss', 'off')),
  attempt             integer NOT NULL DEFAULT 0,
  parent_run_id       uuid,
  schedule_id         uuid,
  user_id             uuid,
  metadata            jsonb NOT NULL DEFAULT '{}',
  created_at          timestamptz NOT NULL,
  started_at          timestamptz,
  finished_at         timestamptz,
  fencing_number      bigint NOT NULL DEFAULT 0,
  lease_expires_at    timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id),
  FOREIGN KEY (tenant_id, parent_run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE runs FORCE ROW LEVEL SECURITY;
CREATE POLICY runs_tenant ON runs USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
-- The sweep looks over all tenants for runs that nobody works on, and only at those; it then acts in the run's own tenant.
CREATE POLICY runs_sweep ON runs FOR SELECT
  USING (current_setting('app.purpose', true) = 'runs.sweep' AND status IN ('pending', 'running'));
-- Active runs by age, for the sweep and the queue gauges: a small index however many runs are finished.
CREATE INDEX idx_runs_created_status ON runs (created_at, status) WHERE status IN ('pending', 'running', 'waiting_approval');
CREATE INDEX idx_runs_project_status_created ON runs (tenant_id, project_id, status, created_at DESC);
CREATE INDEX idx_runs_tenant_agent ON runs (tenant_id, agent, id DESC);
CREATE INDEX idx_runs_tenant_status ON runs (tenant_id, status, id DESC);
CREATE INDEX idx_runs_tenant_created ON runs (tenant_id, created_at);
CREATE INDEX idx_runs_tenant_parent ON runs (tenant_id, parent_run_id) WHERE parent_run_id IS NOT NULL;

-- What was spent, with the price that it was made with. cost_usd is null where the model has no price: unpriced, never 0.
CREATE TABLE cost_tracking (
  tenant_id                    uuid NOT NULL,
  id                           uuid NOT NULL,
  run_id                       uuid NOT NULL,
  project_id                   uuid,
  agent                        text NOT NULL,
  model                        text NOT NULL,
  user_id                      uuid,
  input_tokens                 bigint NOT NULL,
  cached_input_tokens          bigint NOT NULL,
  output_tokens                bigint NOT NULL,
  reasoning_tokens             bigint NOT NULL,
  input_usd_per_million        numeric,
  cached_input_usd_per_million numeric,
  output_usd_per_million       numeric,
  cost_usd                     numeric,
  created_at                   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id)
);
ALTER TABLE cost_tracking ENABLE ROW LEVEL SECURITY;
ALTER TABLE cost_tracking FORCE ROW LEVEL SECURITY;
CREATE POLICY cost_tracking_tenant ON cost_tracking USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE INDEX idx_cost_tracking_tenant_date_agent ON cost_tracking (tenant_id, created_at, agent);
CREATE INDEX idx_cost_tracking_project_tenant_date ON cost_tracking (tenant_id, project_id, created_at);
CREATE INDEX idx_cost_tracking_model_date ON cost_tracking (tenant_id, model, created_at)
  INCLUDE (cost_usd, input_tokens, cached_input_tokens, output_tokens);
CREATE INDEX idx_cost_tracking_tenant_run ON cost_tracking (tenant_id, run_id);

GRANT SELECT, INSERT ON tenants, users, memberships, projects TO :"app_role";
GRANT SELECT, INSERT, UPDATE ON sessions, refresh_tokens, runs TO :"app_role";
GRANT SELECT, INSERT ON cost_tracking TO :"app_role";

-- down
DROP TABLE cost_tracking, runs, projects, refresh_tokens, sessions;
DROP POLICY users_colleagues ON users;
DROP TABLE memberships, users, tenants;
DROP FUNCTION app_user(), app_tenant();
