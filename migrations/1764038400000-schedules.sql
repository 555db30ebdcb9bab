-- Schedules: what runs when, and what became of each due time. The rows are the timer: whoever looks finds what is due on the
-- database's clock, so that a replica that dies takes nothing with it, and no replica has to lead.

-- up
CREATE TABLE scheduled_tasks (
  tenant_id            uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id                   uuid NOT NULL,
  name                 text NOT NULL,
  agent                text NOT NULL,
  task                 text NOT NULL,
  project_id           uuid,
  -- The other fields of the run, as POST …/run takes them.
  input                jsonb NOT NULL,
  -- When: exactly one of the three.
  cron                 text,
  every_seconds        integer CONSTRAINT scheduled_tasks_every_check CHECK (every_seconds > 0),
  run_at               timestamptz,
  timezone             text NOT NULL,
  -- What intervals count from.
  anchor_at            timestamptz NOT NULL,
  overlap              text NOT NULL CONSTRAINT scheduled_tasks_overlap_check CHECK (overlap IN ('skip', 'queue', 'allow', 'cancel')),
  catch_up_seconds     integer NOT NULL CONSTRAINT scheduled_tasks_catch_up_check CHECK (catch_up_seconds >= 0),
  jitter_seconds       integer NOT NULL CONSTRAINT scheduled_tasks_jitter_check CHECK (jitter_seconds >= 0),
  -- No due time after this one; no more executions than these; a pause after so many failures in a row.
  ends_at              timestamptz,
  max_executions       integer CONSTRAINT scheduled_tasks_max_check CHECK (max_executions > 0),
  pause_after_failures integer CONSTRAINT scheduled_tasks_failures_check CHECK (pause_after_failures > 0),
  is_active            boolean NOT NULL,
  -- Why it is not active, where that was not a person.
  paused_reason        text CONSTRAINT scheduled_tasks_paused_check CHECK (paused_reason IN ('failures', 'not_permitted')),
  ended_reason         text CONSTRAINT scheduled_tasks_ended_check CHECK (ended_reason IN ('no_more_times', 'ends_at', 'max_executions')),
  -- Nominal times up to here are dealt with: a change of the pattern or of the time zone's rules goes on from here.
  cursor_at            timestamptz NOT NULL,
  -- The next nominal time, and with the schedule's jitter; null while there is none to wait for.
  next_nominal_at      timestamptz,
  next_run_at          timestamptz,
  -- By which version of the time zone database it was reckoned.
  tz_version           text NOT NULL,
  -- Due times that have come to an execution, for `max_executions`.
  executions           bigint NOT NULL DEFAULT 0,
  consecutive_failures integer NOT NULL DEFAULT 0,
  last_fired_at        timestamptz,
  -- There is something to do that neither a due time nor a run's end tells of: executions that wait, or a change.
  is_woken             boolean NOT NULL DEFAULT false,
  -- In whose name it runs: who made or last changed it.
  user_id              uuid NOT NULL,
  api_key_id           uuid,
  -- Grows with each change of what it does: a run planned by an older one is not started.
  revision             bigint NOT NULL DEFAULT 1,
  created_at           timestamptz NOT NULL,
  updated_at           timestamptz NOT NULL,
  -- Its executions outlive it until they have had their time.
  deleted_at           timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id),
  CONSTRAINT scheduled_tasks_timing_check CHECK (num_nonnulls(cron, every_seconds, run_at) = 1),
  CONSTRAINT scheduled_tasks_next_check CHECK ((next_run_at IS NULL) = (next_nominal_at IS NULL)),
  CONSTRAINT scheduled_tasks_ready_check CHECK ((next_run_at IS NULL OR is_active) AND (deleted_at IS NULL OR NOT (is_active OR is_woken)))
) WITH (fillfactor = 80);
-- The timer: over all tenants, the longest due first.
CREATE INDEX idx_scheduled_tasks_ready_to_run ON scheduled_tasks (next_run_at, tenant_id, id) WHERE next_run_at IS NOT NULL;
CREATE INDEX idx_scheduled_tasks_woken ON scheduled_tasks (tenant_id, id) WHERE is_woken;
-- What an older time zone database gave: only cron knows zones.
CREATE INDEX idx_scheduled_tasks_tz_version ON scheduled_tasks (tz_version) WHERE next_run_at IS NOT NULL AND cron IS NOT NULL;
CREATE INDEX idx_scheduled_tasks_tenant_project ON scheduled_tasks (tenant_id, project_id) WHERE project_id IS NOT NULL;
ALTER TABLE scheduled_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE scheduled_tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY scheduled_tasks_tenant ON scheduled_tasks TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY scheduled_tasks_dispatch ON scheduled_tasks FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'scheduler.dispatch' THEN next_run_at IS NOT NULL OR is_woken ELSE false END);

-- What became of a due time, or of somebody's wish.
CREATE TABLE task_executions (
  tenant_id    uuid NOT NULL,
  id           uuid NOT NULL,
  schedule_id  uuid NOT NULL,
  trigger      text NOT NULL CONSTRAINT task_executions_trigger_check CHECK (trigger IN ('schedule', 'manual', 'backfill')),
  -- The time that the pattern names, and with the jitter.
  nominal_at   timestamptz NOT NULL,
  due_at       timestamptz NOT NULL,
  -- When its run was made, or it was decided that there would be none.
  fired_at     timestamptz,
  status       text NOT NULL CONSTRAINT task_executions_status_check
               CHECK (status IN ('running', 'completed', 'failed', 'skipped', 'missed')),
  reason       text,
  run_id       uuid,
  -- It waits for the ones before it.
  queued_since timestamptz,
  -- Its run has ended, and the schedule has not taken note yet.
  is_uncounted boolean NOT NULL DEFAULT false,
  -- In whose name; null: the schedule's.
  user_id      uuid,
  api_key_id   uuid,
  created_at   timestamptz NOT NULL,
  finished_at  timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, schedule_id) REFERENCES scheduled_tasks (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE SET NULL (run_id),
  CONSTRAINT task_executions_queued_check CHECK (queued_since IS NULL OR (status = 'running' AND run_id IS NULL)),
  CONSTRAINT task_executions_finished_check CHECK ((finished_at IS NULL) = (status = 'running'))
) WITH (fillfactor = 80);
-- A due time comes to one execution, whoever fires it and however often.
CREATE UNIQUE INDEX task_executions_due_key ON task_executions (tenant_id, schedule_id, nominal_at) WHERE trigger <> 'manual';
CREATE UNIQUE INDEX task_executions_run_key ON task_executions (tenant_id, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX idx_task_executions_tenant_schedule ON task_executions (tenant_id, schedule_id, due_at DESC, id DESC);
CREATE INDEX idx_task_executions_tenant_date_status ON task_executions (tenant_id, due_at DESC, id DESC, status);
-- Small, however many are over: what runs or waits, and ends that are to be taken note of.
CREATE INDEX idx_task_executions_open ON task_executions (tenant_id, schedule_id, queued_since, id) WHERE status = 'running';
CREATE INDEX idx_task_executions_uncounted ON task_executions (tenant_id, schedule_id) WHERE is_uncounted;
CREATE INDEX idx_task_executions_age ON task_executions (created_at);
-- A schedule is one tenant's: multiplied, the two would seem to leave next to nothing.
CREATE STATISTICS task_executions_schedule (dependencies) ON tenant_id, schedule_id FROM task_executions;
ALTER TABLE task_executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_executions FORCE ROW LEVEL SECURITY;
CREATE POLICY task_executions_tenant ON task_executions TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY task_executions_dispatch ON task_executions FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'scheduler.dispatch' THEN is_uncounted ELSE false END);
CREATE POLICY task_executions_retention_read ON task_executions FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'scheduler.retention' THEN created_at < now() - interval '1 day' AND finished_at IS NOT NULL ELSE false END);
CREATE POLICY task_executions_retention ON task_executions FOR DELETE TO :"app_role"
  USING (CASE WHEN app_purpose() = 'scheduler.retention' THEN created_at < now() - interval '1 day' AND finished_at IS NOT NULL ELSE false END);

-- Since when somebody has been there, without a break, to see to what is due: what was due before may have been missed, and what is
-- late since is only late. One row, `schedules`, which every replica renews.
CREATE TABLE scheduler_watch (
  watched       text PRIMARY KEY,
  last_seen_at  timestamptz NOT NULL,
  watched_since timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO scheduler_watch (watched, last_seen_at, watched_since) VALUES ('schedules', now(), now());
ALTER TABLE scheduler_watch ENABLE ROW LEVEL SECURITY;
ALTER TABLE scheduler_watch FORCE ROW LEVEL SECURITY;
CREATE POLICY scheduler_watch_keeping ON scheduler_watch TO :"app_role"
  USING (app_purpose() = 'scheduler.watch') WITH CHECK (app_purpose() = 'scheduler.watch');

-- What a tenant says of its schedules; a tenant without a row says what the settings say.
CREATE TABLE schedule_policies (
  tenant_id            uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  min_interval_seconds integer NOT NULL CONSTRAINT schedule_policies_interval_check CHECK (min_interval_seconds > 0),
  updated_at           timestamptz NOT NULL
);
ALTER TABLE schedule_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE schedule_policies FORCE ROW LEVEL SECURITY;
CREATE POLICY schedule_policies_tenant ON schedule_policies TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

GRANT SELECT, INSERT, UPDATE, DELETE ON scheduled_tasks, task_executions TO :"app_role";
GRANT SELECT, INSERT, UPDATE ON schedule_policies TO :"app_role";
GRANT SELECT, UPDATE ON scheduler_watch TO :"app_role";

-- down
DROP TABLE schedule_policies, scheduler_watch, task_executions, scheduled_tasks;
