-- Runs that survive anything: every step is journalled with what it gave and what it cost, every event of a run has a
-- number in one log, runs form trees, people approve, tenants bring their own agents and tools, answers can be kept.
-- What a run may do next follows from its rows alone, so any worker can go on where another was killed.

-- up
-- Trees. `root_run_id` is the run itself where nobody delegated it. A share of the root's limits goes down with each
-- delegation (`input.limits`), so that a tree stays within them without a counter that its branches would fight over.
-- Queue. `queued_since` is the place of a run that waits for a worker, null for one that does not: since when its root has
-- existed, so that a run which resumes does not queue up again behind what came later. A run that holds a lease is being
-- worked on; one that is `running` with neither waits for its children.
-- Waiting for a person stops the clock: `deadline_at` moves by as long as it took. A run whose children wait at the same time is
-- given that time once: `time_given_until` is up to when it has been.
ALTER TABLE runs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runs
  ADD COLUMN root_run_id         uuid,
  ADD COLUMN depth               integer NOT NULL DEFAULT 0,
  ADD COLUMN queued_since        timestamptz,
  ADD COLUMN deadline_at         timestamptz,
  ADD COLUMN waiting_since       timestamptz,
  ADD COLUMN time_given_until    timestamptz,
  ADD COLUMN cancel_requested_at timestamptz,
  ADD COLUMN last_event          bigint NOT NULL DEFAULT 0,
  ADD COLUMN steps               integer NOT NULL DEFAULT 0;
UPDATE runs SET root_run_id = id, queued_since = CASE WHEN status = 'pending' THEN created_at END;
ALTER TABLE runs ALTER COLUMN root_run_id SET NOT NULL;
ALTER TABLE runs FORCE ROW LEVEL SECURITY;
-- Of indexes that seem alike, as all do while a table is empty, the planner takes the newest, and a connection keeps such a plan
-- until the table is first analysed. So the key is made last: else every check of a reference to a run walks all runs of its tenant.
ALTER TABLE cost_tracking DROP CONSTRAINT cost_tracking_tenant_id_run_id_fkey;
ALTER TABLE runs DROP CONSTRAINT runs_tenant_id_parent_run_id_fkey, DROP CONSTRAINT runs_pkey;
-- Small, however many runs are finished: the queue, what is being worked on, and trees that are not done.
CREATE INDEX idx_runs_queue ON runs (tenant_id, queued_since, id) WHERE queued_since IS NOT NULL;
-- Not by `lease_expires_at`: renewals and writes change it all the time, and would then touch every index of the table.
CREATE INDEX idx_runs_running ON runs (tenant_id, id) WHERE status = 'running';
CREATE INDEX idx_runs_tenant_root ON runs (tenant_id, root_run_id);
-- Room for the next version of a row beside it, so that no index has to learn of it.
ALTER TABLE runs SET (fillfactor = 80);
ALTER TABLE runs ADD CONSTRAINT runs_pkey PRIMARY KEY (tenant_id, id),
  ADD CONSTRAINT runs_tenant_id_parent_run_id_fkey FOREIGN KEY (tenant_id, parent_run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE,
  ADD CONSTRAINT runs_root_fkey FOREIGN KEY (tenant_id, root_run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE cost_tracking ADD CONSTRAINT cost_tracking_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id)
  REFERENCES runs (tenant_id, id) ON DELETE CASCADE;

-- The journal. `running` with no worker: it was in flight when its worker died.
CREATE TABLE run_steps (
  tenant_id           uuid NOT NULL,
  run_id              uuid NOT NULL,
  position            integer NOT NULL,
  kind                text NOT NULL CONSTRAINT run_steps_kind_check CHECK (kind IN ('model', 'tool', 'delegation', 'approval')),
  status              text NOT NULL CONSTRAINT run_steps_status_check
                      CHECK (status IN ('running', 'completed', 'failed', 'outcome_unknown', 'cancelled')),
  name                text NOT NULL,
  request             jsonb NOT NULL,
  result              jsonb,
  child_run_id        uuid,
  approval_id         uuid,
  attempt             integer NOT NULL,
  model               text,
  input_tokens        bigint NOT NULL DEFAULT 0,
  cached_input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens       bigint NOT NULL DEFAULT 0,
  reasoning_tokens    bigint NOT NULL DEFAULT 0,
  cost_usd            numeric,
  cache               text CONSTRAINT run_steps_cache_check CHECK (cache IN ('hit', 'miss', 'off')),
  started_at          timestamptz NOT NULL,
  finished_at         timestamptz,
  PRIMARY KEY (tenant_id, run_id, position),
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_run_steps_tenant_child ON run_steps (tenant_id, child_run_id) WHERE child_run_id IS NOT NULL;
ALTER TABLE run_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY run_steps_tenant ON run_steps TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- What happened, in order, for streams, polling and webhooks alike. Pieces of text that came within a moment share a row:
-- `data` is then {"texts": […]}, and `sequence` the number of the last.
CREATE TABLE run_events (
  tenant_id  uuid NOT NULL,
  run_id     uuid NOT NULL,
  sequence   bigint NOT NULL,
  type       text NOT NULL,
  data       jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, run_id, sequence),
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE run_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_events FORCE ROW LEVEL SECURITY;
CREATE POLICY run_events_tenant ON run_events TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- What a person is asked: may exactly these arguments be used. The hash is theirs; what runs in the end is compared with it.
CREATE TABLE approvals (
  tenant_id            uuid NOT NULL,
  id                   uuid NOT NULL,
  run_id               uuid NOT NULL,
  position             integer NOT NULL,
  agent                text NOT NULL,
  reason               text NOT NULL CONSTRAINT approvals_reason_check CHECK (reason IN ('run', 'agent', 'tool', 'outcome_unknown')),
  tool                 text,
  arguments            jsonb NOT NULL,
  arguments_hash       bytea NOT NULL,
  status               text NOT NULL CONSTRAINT approvals_status_check CHECK (status IN ('pending', 'approved', 'rejected', 'expired')),
  default_decision     text NOT NULL CONSTRAINT approvals_default_check CHECK (default_decision IN ('approve', 'reject')),
  requester_may_decide boolean NOT NULL,
  requested_by         uuid,
  created_at           timestamptz NOT NULL,
  expires_at           timestamptz NOT NULL,
  decided_by_user      uuid,
  decided_by_key       uuid,
  decided_at           timestamptz,
  comment              text,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_approvals_tenant_status ON approvals (tenant_id, status, id DESC);
CREATE INDEX idx_approvals_tenant_run ON approvals (tenant_id, run_id);
CREATE INDEX idx_approvals_expiry ON approvals (expires_at) WHERE status = 'pending';
ALTER TABLE approvals ENABLE ROW LEVEL SECURITY;
ALTER TABLE approvals FORCE ROW LEVEL SECURITY;
CREATE POLICY approvals_tenant ON approvals TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY approvals_sweep ON approvals FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'approvals.sweep' THEN status = 'pending' AND expires_at < now() ELSE false END);

-- What a tenant says of its approvals; a tenant without a row says what the settings say.
CREATE TABLE approval_policies (
  tenant_id            uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  requester_may_decide boolean NOT NULL,
  expires_after_seconds integer NOT NULL CONSTRAINT approval_policies_expiry_check CHECK (expires_after_seconds > 0),
  default_decision     text NOT NULL CONSTRAINT approval_policies_default_check CHECK (default_decision IN ('approve', 'reject')),
  updated_at           timestamptz NOT NULL
);
ALTER TABLE approval_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE approval_policies FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_policies_tenant ON approval_policies TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- A tenant's own agents. A version is never changed; a run keeps the one that it was started with, even once the agent is gone.
CREATE TABLE agents (
  tenant_id       uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  slug            text NOT NULL,
  current_version integer NOT NULL,
  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  deleted_at      timestamptz,
  PRIMARY KEY (tenant_id, slug)
);
ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents FORCE ROW LEVEL SECURITY;
CREATE POLICY agents_tenant ON agents TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

CREATE TABLE agent_versions (
  tenant_id  uuid NOT NULL,
  slug       text NOT NULL,
  version    integer NOT NULL,
  definition jsonb NOT NULL,
  created_by uuid,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, slug, version),
  FOREIGN KEY (tenant_id, slug) REFERENCES agents (tenant_id, slug) ON DELETE CASCADE
);
ALTER TABLE agent_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY agent_versions_tenant ON agent_versions TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- Remote MCP servers. The headers that let us in are sealed, and shown to nobody.
CREATE TABLE mcp_servers (
  tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id             uuid NOT NULL,
  name           text NOT NULL,
  url            text NOT NULL,
  sealed_headers bytea,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT mcp_servers_tenant_name_key UNIQUE (tenant_id, name)
);
ALTER TABLE mcp_servers ENABLE ROW LEVEL SECURITY;
ALTER TABLE mcp_servers FORCE ROW LEVEL SECURITY;
CREATE POLICY mcp_servers_tenant ON mcp_servers TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- Answers of models, kept per tenant by a hash of all that they follow from.
CREATE TABLE kept_answers (
  tenant_id           uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  key_hash            bytea NOT NULL,
  model               text NOT NULL,
  answer              jsonb NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_usd            numeric,
  hits                bigint NOT NULL DEFAULT 0,
  saved_usd           numeric NOT NULL DEFAULT 0,
  created_at          timestamptz NOT NULL,
  expires_at          timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key_hash)
);
CREATE INDEX idx_kept_answers_expiry ON kept_answers (expires_at);
ALTER TABLE kept_answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_answers FORCE ROW LEVEL SECURITY;
CREATE POLICY kept_answers_tenant ON kept_answers TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY kept_answers_sweep_read ON kept_answers FOR SELECT TO :"app_role"
  USING (app_purpose() = 'kept-answers.sweep' AND expires_at < now());
CREATE POLICY kept_answers_sweep ON kept_answers FOR DELETE TO :"app_role"
  USING (app_purpose() = 'kept-answers.sweep' AND expires_at < now());

-- One entry a model call: which step made it, and whether the provider told the tokens or we counted them.
ALTER TABLE cost_tracking ADD COLUMN step integer, ADD COLUMN is_estimated boolean NOT NULL DEFAULT false;

GRANT SELECT, INSERT, UPDATE ON run_steps, approvals, approval_policies, agents, kept_answers, mcp_servers TO :"app_role";
GRANT SELECT, INSERT ON run_events, agent_versions TO :"app_role";
GRANT DELETE ON mcp_servers, kept_answers TO :"app_role";

-- What a worker writes holds only while its claim does. It says so in the statement that takes the run's row, so that all of a
-- write can be sent with its COMMIT in one flight.
CREATE FUNCTION require_claim(is_held boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_held THEN RAISE EXCEPTION 'the claim is lost' USING ERRCODE = 'TN001'; END IF;
  RETURN true;
END $$;

-- down
DROP FUNCTION require_claim(boolean);
ALTER TABLE cost_tracking DROP COLUMN step, DROP COLUMN is_estimated;
DROP TABLE kept_answers, mcp_servers, agent_versions, agents, approval_policies, approvals, run_events, run_steps;
ALTER TABLE runs RESET (fillfactor);
DROP INDEX idx_runs_queue, idx_runs_running, idx_runs_tenant_root;
ALTER TABLE runs DROP CONSTRAINT runs_root_fkey,
  DROP COLUMN root_run_id, DROP COLUMN depth, DROP COLUMN queued_since, DROP COLUMN deadline_at, DROP COLUMN waiting_since,
  DROP COLUMN time_given_until,
  DROP COLUMN cancel_requested_at, DROP COLUMN last_event, DROP COLUMN steps;
