-- Money: dated prices of a tenant's own, budgets that hold, and sums that are exact at any size.
-- Reports read hourly sums and the few entries that are not in them yet (`cost_tail`). Who books an entry puts it into the tail in
-- the same commit, and a job moves it on into the sums, taking it out of the tail in the commit that adds it: so both together
-- are all entries at any moment, whoever is killed when.
-- Budgets are counted in rows of their own. What locks them is done last before the commit (deferred triggers): a tenant's
-- counters are what all of its runs meet at.

-- up
-- Projects can be put away, and deleted; their runs and costs stay, and with them the row.
ALTER TABLE projects ADD COLUMN archived_at timestamptz, ADD COLUMN deleted_at timestamptz, DROP CONSTRAINT projects_tenant_slug_key;
CREATE UNIQUE INDEX projects_tenant_slug_key ON projects (tenant_id, slug) WHERE deleted_at IS NULL;
GRANT UPDATE (name, description, updated_at, archived_at, deleted_at) ON projects TO :"app_role";

-- A project's runs, newest first. The dashboard reads the last day of a tenant, and agents' figures a week, from the index alone.
-- Of indexes that seem alike the planner takes the newest (1763865600000): so the key of `runs` is made anew, last.
ALTER TABLE run_steps DROP CONSTRAINT run_steps_tenant_id_run_id_fkey;
ALTER TABLE run_events DROP CONSTRAINT run_events_tenant_id_run_id_fkey;
ALTER TABLE approvals DROP CONSTRAINT approvals_tenant_id_run_id_fkey;
ALTER TABLE task_executions DROP CONSTRAINT task_executions_tenant_id_run_id_fkey;
ALTER TABLE cost_tracking DROP CONSTRAINT cost_tracking_tenant_id_run_id_fkey;
ALTER TABLE runs DROP CONSTRAINT runs_tenant_id_parent_run_id_fkey, DROP CONSTRAINT runs_root_fkey, DROP CONSTRAINT runs_pkey;
DROP INDEX idx_runs_tenant_created;
CREATE INDEX idx_runs_tenant_created ON runs (tenant_id, created_at) INCLUDE (status, agent, cache, started_at, finished_at);
CREATE INDEX idx_runs_project_newest ON runs (tenant_id, project_id, id DESC) WHERE project_id IS NOT NULL;
ALTER TABLE runs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runs ADD CONSTRAINT runs_pkey PRIMARY KEY (tenant_id, id),
  ADD CONSTRAINT runs_tenant_id_parent_run_id_fkey FOREIGN KEY (tenant_id, parent_run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE,
  ADD CONSTRAINT runs_root_fkey FOREIGN KEY (tenant_id, root_run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE run_steps ADD CONSTRAINT run_steps_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE run_events ADD CONSTRAINT run_events_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE approvals ADD CONSTRAINT approvals_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE task_executions ADD CONSTRAINT task_executions_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id)
  REFERENCES runs (tenant_id, id) ON DELETE SET NULL (run_id);
ALTER TABLE cost_tracking ADD CONSTRAINT cost_tracking_tenant_id_run_id_fkey FOREIGN KEY (tenant_id, run_id)
  REFERENCES runs (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE runs FORCE ROW LEVEL SECURITY;

-- What an entry's input put into the provider's cache has a price of its own with some, as has reasoning. An entry keeps them all.
ALTER TABLE cost_tracking
  ADD COLUMN cache_write_tokens          bigint NOT NULL DEFAULT 0,
  ADD COLUMN cache_write_usd_per_million numeric,
  ADD COLUMN reasoning_usd_per_million   numeric;
-- Only an entry without a price may be given one, later (see the trigger): what was priced stays as it was.
GRANT UPDATE (cost_usd, input_usd_per_million, cached_input_usd_per_million, cache_write_usd_per_million, output_usd_per_million,
  reasoning_usd_per_million) ON cost_tracking TO :"app_role";
-- Entries of one person, or of one key, in the order of their times.
CREATE INDEX idx_cost_tracking_tenant_user ON cost_tracking (tenant_id, user_id, created_at) WHERE user_id IS NOT NULL;
DROP INDEX idx_cost_tracking_tenant_api_key;
CREATE INDEX idx_cost_tracking_tenant_api_key ON cost_tracking (tenant_id, api_key_id, created_at) INCLUDE (cost_usd)
  WHERE api_key_id IS NOT NULL;
CREATE INDEX idx_cost_tracking_unpriced ON cost_tracking (tenant_id, created_at, id) WHERE cost_usd IS NULL;

-- A tenant's own prices. Never changed: the next one holds from its day on. Of two of one day the later word holds.
CREATE TABLE model_prices (
  tenant_id                    uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id                           uuid NOT NULL,
  model                        text NOT NULL,
  input_usd_per_million        numeric NOT NULL CONSTRAINT model_prices_input_check CHECK (input_usd_per_million >= 0),
  cached_input_usd_per_million numeric CONSTRAINT model_prices_cached_check CHECK (cached_input_usd_per_million >= 0),
  cache_write_usd_per_million  numeric CONSTRAINT model_prices_cache_write_check CHECK (cache_write_usd_per_million >= 0),
  output_usd_per_million       numeric NOT NULL CONSTRAINT model_prices_output_check CHECK (output_usd_per_million >= 0),
  reasoning_usd_per_million    numeric CONSTRAINT model_prices_reasoning_check CHECK (reasoning_usd_per_million >= 0),
  effective_from               timestamptz NOT NULL,
  created_by                   uuid NOT NULL,
  created_at                   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX idx_model_prices_tenant_model ON model_prices (tenant_id, model, effective_from DESC, id DESC);
ALTER TABLE model_prices ENABLE ROW LEVEL SECURITY;
ALTER TABLE model_prices FORCE ROW LEVEL SECURITY;
CREATE POLICY model_prices_tenant ON model_prices TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- What a tenant says of its money; without a row: UTC, and what has no price may run.
CREATE TABLE cost_policies (
  tenant_id       uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  timezone        text NOT NULL,
  unpriced_models text NOT NULL CONSTRAINT cost_policies_unpriced_check CHECK (unpriced_models IN ('allow', 'block')),
  updated_at      timestamptz NOT NULL
);
ALTER TABLE cost_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE cost_policies FORCE ROW LEVEL SECURITY;
CREATE POLICY cost_policies_tenant ON cost_policies TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- Entries, and corrections of entries, that are not in the hourly sums yet; and what kept answers have saved.
CREATE TABLE cost_tail (
  tenant_id           uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id                  uuid NOT NULL,
  created_at          timestamptz NOT NULL,
  agent               text NOT NULL,
  model               text NOT NULL,
  project_id          uuid,
  user_id             uuid,
  api_key_id          uuid,
  executions          bigint NOT NULL DEFAULT 0,
  unpriced            bigint NOT NULL DEFAULT 0,
  input_tokens        bigint NOT NULL DEFAULT 0,
  cached_input_tokens bigint NOT NULL DEFAULT 0,
  cache_write_tokens  bigint NOT NULL DEFAULT 0,
  output_tokens       bigint NOT NULL DEFAULT 0,
  reasoning_tokens    bigint NOT NULL DEFAULT 0,
  cost_usd            numeric NOT NULL DEFAULT 0,
  cache_hits          bigint NOT NULL DEFAULT 0,
  saved_usd           numeric NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE cost_tail ENABLE ROW LEVEL SECURITY;
ALTER TABLE cost_tail FORCE ROW LEVEL SECURITY;
CREATE POLICY cost_tail_tenant ON cost_tail TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY cost_tail_rollup ON cost_tail FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'costs.rollup' THEN created_at < now() ELSE false END);

-- Sums of an hour. By agent and model alone there are few, whatever there is beside; the rest in full.
CREATE TABLE cost_hourly (
  tenant_id           uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  hour                timestamptz NOT NULL,
  agent               text NOT NULL,
  model               text NOT NULL,
  executions          bigint NOT NULL,
  unpriced            bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_usd            numeric NOT NULL,
  cache_hits          bigint NOT NULL,
  saved_usd           numeric NOT NULL,
  PRIMARY KEY (tenant_id, hour, agent, model)
) WITH (fillfactor = 80);
ALTER TABLE cost_hourly ENABLE ROW LEVEL SECURITY;
ALTER TABLE cost_hourly FORCE ROW LEVEL SECURITY;
CREATE POLICY cost_hourly_tenant ON cost_hourly TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

CREATE TABLE cost_hourly_detail (
  tenant_id           uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id                  uuid NOT NULL,
  hour                timestamptz NOT NULL,
  agent               text NOT NULL,
  model               text NOT NULL,
  project_id          uuid,
  user_id             uuid,
  api_key_id          uuid,
  executions          bigint NOT NULL,
  unpriced            bigint NOT NULL,
  input_tokens        bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_usd            numeric NOT NULL,
  cache_hits          bigint NOT NULL,
  saved_usd           numeric NOT NULL,
  PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX cost_hourly_detail_key ON cost_hourly_detail (tenant_id, hour, agent, model, project_id, user_id, api_key_id)
  NULLS NOT DISTINCT;
ALTER TABLE cost_hourly_detail ENABLE ROW LEVEL SECURITY;
ALTER TABLE cost_hourly_detail FORCE ROW LEVEL SECURITY;
CREATE POLICY cost_hourly_detail_tenant ON cost_hourly_detail TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- What was booked before there were sums.
ALTER TABLE cost_tracking NO FORCE ROW LEVEL SECURITY;
ALTER TABLE cost_tail NO FORCE ROW LEVEL SECURITY;
INSERT INTO cost_tail (tenant_id, id, created_at, agent, model, project_id, user_id, api_key_id, executions, unpriced, input_tokens,
       cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_usd)
SELECT tenant_id, id, created_at, agent, model, project_id, user_id, api_key_id, 1, (cost_usd IS NULL)::integer, input_tokens,
       cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, coalesce(cost_usd, 0)
  FROM cost_tracking;
ALTER TABLE cost_tracking FORCE ROW LEVEL SECURITY;
ALTER TABLE cost_tail FORCE ROW LEVEL SECURITY;

-- Exact at any moment: the sums, and what is not in them yet.
CREATE VIEW v_cost_summary_hourly WITH (security_invoker = true) AS
SELECT tenant_id, hour, agent, model, sum(executions)::bigint AS executions, sum(unpriced)::bigint AS unpriced,
       sum(input_tokens)::bigint AS input_tokens, sum(cached_input_tokens)::bigint AS cached_input_tokens,
       sum(cache_write_tokens)::bigint AS cache_write_tokens, sum(output_tokens)::bigint AS output_tokens,
       sum(reasoning_tokens)::bigint AS reasoning_tokens, sum(cost_usd) AS cost_usd, sum(cache_hits)::bigint AS cache_hits,
       sum(saved_usd) AS saved_usd
  FROM (SELECT tenant_id, hour, agent, model, executions, unpriced, input_tokens, cached_input_tokens, cache_write_tokens,
               output_tokens, reasoning_tokens, cost_usd, cache_hits, saved_usd
          FROM cost_hourly
         UNION ALL
        SELECT tenant_id, date_trunc('hour', created_at, 'UTC'), agent, model, executions, unpriced, input_tokens,
               cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_usd, cache_hits, saved_usd
          FROM cost_tail) AS parts
 GROUP BY tenant_id, hour, agent, model;

-- What may be spent, by whom, in what time.
CREATE TABLE budgets (
  tenant_id      uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id             uuid NOT NULL,
  scope          text NOT NULL CONSTRAINT budgets_scope_check CHECK (scope IN ('tenant', 'project', 'agent', 'apiKey')),
  -- As the tenant named it; what entries are told by: the project's or key's id, the agent's slug, nothing for the tenant.
  scope_id       text,
  target         text NOT NULL,
  period         text NOT NULL CONSTRAINT budgets_period_check CHECK (period IN ('day', 'week', 'month', 'total')),
  limit_usd      numeric NOT NULL CONSTRAINT budgets_limit_check CHECK (limit_usd >= 0),
  -- Ascending.
  alert_percents integer[] NOT NULL,
  -- Refuses calls that it has no room for; else it only tells.
  is_hard        boolean NOT NULL,
  -- Came with its API key, and goes with it.
  is_of_key      boolean NOT NULL DEFAULT false,
  -- The period of this moment is the first that is counted: when it was made, or given another clock.
  counted_from   timestamptz NOT NULL DEFAULT now(),
  -- Until the commit that says so: see settle_budget.
  is_deleted     boolean NOT NULL DEFAULT false,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT budgets_target_key UNIQUE (tenant_id, scope, target, period)
);
ALTER TABLE budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE budgets FORCE ROW LEVEL SECURITY;
CREATE POLICY budgets_tenant ON budgets TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

CREATE TABLE budget_periods (
  tenant_id    uuid NOT NULL,
  budget_id    uuid NOT NULL,
  period_start timestamptz NOT NULL,
  -- All entries of the period that have a price.
  spent_usd    numeric NOT NULL DEFAULT 0,
  -- All rows of budget_reservations.
  reserved_usd numeric NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, budget_id, period_start),
  FOREIGN KEY (tenant_id, budget_id) REFERENCES budgets (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 20);
ALTER TABLE budget_periods ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_periods FORCE ROW LEVEL SECURITY;
CREATE POLICY budget_periods_tenant ON budget_periods TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- The worst that a call under way can cost; step 0: of a run that has not come to its first call yet.
CREATE TABLE budget_reservations (
  tenant_id    uuid NOT NULL,
  run_id       uuid NOT NULL,
  step         integer NOT NULL,
  budget_id    uuid NOT NULL,
  period_start timestamptz NOT NULL,
  amount_usd   numeric NOT NULL,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, run_id, step, budget_id),
  FOREIGN KEY (tenant_id, budget_id) REFERENCES budgets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_budget_reservations_tenant_budget ON budget_reservations (tenant_id, budget_id);
CREATE INDEX idx_budget_reservations_age ON budget_reservations (created_at);
ALTER TABLE budget_reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_reservations FORCE ROW LEVEL SECURITY;
CREATE POLICY budget_reservations_tenant ON budget_reservations TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY budget_reservations_sweep ON budget_reservations FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'budgets.sweep' THEN created_at < now() - interval '5 seconds' ELSE false END);

-- What a budget has to tell, once each in a period. A job announces it: the commit that finds it out has no time for that.
CREATE TABLE budget_alerts (
  tenant_id    uuid NOT NULL,
  budget_id    uuid NOT NULL,
  period_start timestamptz NOT NULL,
  kind         text NOT NULL CONSTRAINT budget_alerts_kind_check CHECK (kind IN ('threshold', 'exceeded')),
  percent      integer NOT NULL,
  spent_usd    numeric NOT NULL,
  reached_at   timestamptz NOT NULL,
  announced_at timestamptz,
  PRIMARY KEY (tenant_id, budget_id, period_start, kind, percent),
  FOREIGN KEY (tenant_id, budget_id) REFERENCES budgets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_budget_alerts_unannounced ON budget_alerts (tenant_id, reached_at) WHERE announced_at IS NULL;
ALTER TABLE budget_alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_alerts FORCE ROW LEVEL SECURITY;
CREATE POLICY budget_alerts_tenant ON budget_alerts TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY budget_alerts_announcing ON budget_alerts FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'budgets.alerts' THEN announced_at IS NULL ELSE false END);

-- Budgets that API keys came with.
ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY;
ALTER TABLE budgets NO FORCE ROW LEVEL SECURITY;
INSERT INTO budgets (tenant_id, id, scope, scope_id, target, period, limit_usd, alert_percents, is_hard, is_of_key, counted_from, created_at, updated_at)
SELECT tenant_id, uuid_at(created_at), 'apiKey', id, id, 'total', budget_usd, '{50,80,100}', true, true, created_at, created_at, created_at
  FROM api_keys WHERE budget_usd IS NOT NULL;
ALTER TABLE cost_tracking NO FORCE ROW LEVEL SECURITY;
ALTER TABLE budget_periods NO FORCE ROW LEVEL SECURITY;
INSERT INTO budget_periods (tenant_id, budget_id, period_start, spent_usd)
SELECT b.tenant_id, b.id, 'epoch', coalesce(sum(c.cost_usd), 0)
  FROM budgets b LEFT JOIN cost_tracking c ON c.tenant_id = b.tenant_id AND c.api_key_id::text = b.target
 GROUP BY b.tenant_id, b.id;
ALTER TABLE budget_periods FORCE ROW LEVEL SECURITY;
ALTER TABLE cost_tracking FORCE ROW LEVEL SECURITY;
ALTER TABLE budgets FORCE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;

-- When the period began that `moment` is in: on the tenant's clock. Weeks begin on Monday.
CREATE FUNCTION budget_period_start(period text, timezone text, moment timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
RETURN CASE WHEN period = 'total' THEN 'epoch'::timestamptz ELSE date_trunc(period, moment, timezone) END;

CREATE FUNCTION budget_period_end(period text, timezone text, since timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
RETURN CASE WHEN period <> 'total' THEN (since AT TIME ZONE timezone + ('1 ' || period)::interval) AT TIME ZONE timezone END;

-- What is reserved for calls under way, whichever period they began in: they may be booked in the one that begins at `since`.
CREATE FUNCTION budget_reserved(tenant uuid, budget uuid, since timestamptz) RETURNS numeric LANGUAGE sql STABLE
RETURN (SELECT coalesce(sum(reserved_usd), 0) FROM budget_periods
         WHERE tenant_id = tenant AND budget_id = budget AND period_start >= since - interval '40 days');

CREATE FUNCTION budget_timezone(tenant uuid) RETURNS text LANGUAGE sql STABLE
RETURN coalesce((SELECT timezone FROM cost_policies WHERE tenant_id = tenant), 'UTC');

-- Who counts in budgets takes turns, in the last moment before the commit; who changes what is counted waits for all who count.
CREATE FUNCTION lock_budgets(tenant uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('budgets/' || tenant, 0));
END $$;

-- Gives back what is reserved for these runs; `steps` null: for all of their steps.
CREATE FUNCTION free_reservations(tenant uuid, runs uuid[], steps integer[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  freed integer;
BEGIN
  IF NOT EXISTS (SELECT FROM budget_reservations WHERE tenant_id = tenant AND run_id = ANY (runs)) THEN RETURN 0; END IF;
  WITH gone AS (
    DELETE FROM budget_reservations r
     WHERE r.tenant_id = tenant AND r.run_id = ANY (runs) AND (steps IS NULL OR r.step = ANY (steps))
    RETURNING r.budget_id, r.period_start, r.amount_usd
  ), counted AS (
    UPDATE budget_periods p SET reserved_usd = p.reserved_usd - g.amount_usd
      FROM (SELECT budget_id, period_start, sum(amount_usd) AS amount_usd FROM gone GROUP BY budget_id, period_start) AS g
     WHERE p.tenant_id = tenant AND p.budget_id = g.budget_id AND p.period_start = g.period_start
  )
  SELECT count(*) INTO freed FROM gone;
  RETURN freed;
END $$;

-- What budgets have to say of what is spent by now.
CREATE FUNCTION raise_budget_alerts(tenant uuid, spenders uuid[], moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  zone text := budget_timezone(tenant);
BEGIN
  INSERT INTO budget_alerts (tenant_id, budget_id, period_start, kind, percent, spent_usd, reached_at)
  SELECT tenant, b.id, p.period_start, told.kind, told.percent, p.spent_usd, moment
    FROM budgets b
    JOIN budget_periods p ON p.tenant_id = tenant AND p.budget_id = b.id
                         AND p.period_start = budget_period_start(b.period, zone, moment)
   CROSS JOIN LATERAL (SELECT 'threshold' AS kind, percent FROM unnest(b.alert_percents) AS percent
                        UNION ALL SELECT 'exceeded', 100) AS told
   WHERE b.tenant_id = tenant AND b.id = ANY (spenders) AND p.spent_usd > 0 AND p.spent_usd * 100 >= b.limit_usd * told.percent
      ON CONFLICT DO NOTHING;
  IF FOUND THEN PERFORM pg_notify('budget_alerts', ''); END IF;
END $$;

-- An entry, or a correction of one, comes into the sums and into the budgets that it counts in.
CREATE FUNCTION count_cost() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- A transaction may have gone on to another tenant by the time it commits.
  at_hand text := current_setting('app.current_tenant', true);
  is_new boolean := TG_OP = 'INSERT';
  cost numeric := coalesce(NEW.cost_usd, 0);
  spenders uuid[];
  zone text;
  tells boolean;
BEGIN
  PERFORM set_config('app.current_tenant', NEW.tenant_id::text, true);
  IF NOT is_new THEN cost := cost - coalesce(OLD.cost_usd, 0); END IF;
  INSERT INTO cost_tail (tenant_id, id, created_at, agent, model, project_id, user_id, api_key_id, executions, unpriced,
         input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_usd)
  VALUES (NEW.tenant_id, CASE WHEN is_new THEN NEW.id ELSE gen_random_uuid() END, NEW.created_at, NEW.agent, NEW.model,
         NEW.project_id, NEW.user_id, NEW.api_key_id, is_new::integer,
         CASE WHEN is_new THEN (NEW.cost_usd IS NULL)::integer ELSE (NEW.cost_usd IS NULL)::integer - 1 END,
         CASE WHEN is_new THEN NEW.input_tokens ELSE 0 END, CASE WHEN is_new THEN NEW.cached_input_tokens ELSE 0 END,
         CASE WHEN is_new THEN NEW.cache_write_tokens ELSE 0 END, CASE WHEN is_new THEN NEW.output_tokens ELSE 0 END,
         CASE WHEN is_new THEN NEW.reasoning_tokens ELSE 0 END, cost);
  -- Who makes a budget waits for all who do not see it yet, and counts what they have booked: see lock_budgets.
  -- Who has shared the lock before stays at that: two that both wanted more would wait for each other.
  IF current_setting('app.counts_shared', true) IS DISTINCT FROM NEW.tenant_id::text THEN
    IF EXISTS (SELECT FROM budgets WHERE tenant_id = NEW.tenant_id) THEN
      PERFORM lock_budgets(NEW.tenant_id);
    ELSE
      PERFORM pg_advisory_xact_lock_shared(hashtextextended('budgets/' || NEW.tenant_id, 0));
      PERFORM set_config('app.counts_shared', NEW.tenant_id::text, true);
    END IF;
  END IF;
  SELECT array_agg(id ORDER BY id) INTO spenders FROM budgets
   WHERE tenant_id = NEW.tenant_id
     AND (scope, target) IN (('tenant', ''), ('project', NEW.project_id::text), ('agent', NEW.agent), ('apiKey', NEW.api_key_id::text));
  IF spenders IS NOT NULL THEN
    IF is_new THEN PERFORM free_reservations(NEW.tenant_id, ARRAY[NEW.run_id], ARRAY[0, NEW.step]); END IF;
    IF cost <> 0 THEN
      zone := budget_timezone(NEW.tenant_id);
      WITH counted AS (
        INSERT INTO budget_periods (tenant_id, budget_id, period_start, spent_usd)
        SELECT NEW.tenant_id, id, budget_period_start(period, zone, NEW.created_at), cost
          FROM budgets WHERE tenant_id = NEW.tenant_id AND id = ANY (spenders)
           -- Of periods from before that nobody has counted the rest.
           AND budget_period_start(period, zone, NEW.created_at) >= budget_period_start(period, zone, budgets.counted_from)
         ORDER BY id
            ON CONFLICT (tenant_id, budget_id, period_start) DO UPDATE SET spent_usd = budget_periods.spent_usd + excluded.spent_usd
        RETURNING budget_id, spent_usd
      )
      SELECT bool_or(c.spent_usd * 100 >= b.limit_usd * least(b.alert_percents[1], 100)) INTO tells
        FROM counted c JOIN budgets b ON b.tenant_id = NEW.tenant_id AND b.id = c.budget_id;
      -- A correction of long ago is no news.
      IF tells OR NOT is_new THEN
        PERFORM raise_budget_alerts(NEW.tenant_id, spenders, CASE WHEN is_new THEN NEW.created_at ELSE now() END);
      END IF;
    END IF;
  END IF;
  PERFORM set_config('app.current_tenant', coalesce(at_hand, ''), true);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER cost_tracking_count AFTER INSERT OR UPDATE OF cost_usd ON cost_tracking
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_cost();

-- What was priced stays as it was, whoever asks.
CREATE FUNCTION refuse_repricing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an entry keeps the price that it was made with' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER cost_tracking_keep_price BEFORE UPDATE ON cost_tracking
  FOR EACH ROW WHEN (OLD.cost_usd IS NOT NULL) EXECUTE FUNCTION refuse_repricing();

-- However a run ends: what it had reserved is free.
CREATE FUNCTION free_reservations_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  at_hand text := current_setting('app.current_tenant', true);
BEGIN
  PERFORM set_config('app.current_tenant', NEW.tenant_id::text, true);
  IF EXISTS (SELECT FROM budget_reservations WHERE tenant_id = NEW.tenant_id AND run_id = NEW.id) THEN
    PERFORM lock_budgets(NEW.tenant_id);
    PERFORM free_reservations(NEW.tenant_id, ARRAY[NEW.id], NULL);
  END IF;
  PERFORM set_config('app.current_tenant', coalesce(at_hand, ''), true);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER runs_free_reservations AFTER UPDATE OF finished_at ON runs DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION free_reservations_of_run();

-- Reserves the worst that a call of `run_step` can cost, at every level that counts it, in place of what is reserved for that step
-- and for the run's first call. Where hard budgets have not room for `max_tokens` of output, for as many as they have.
-- Returns the output tokens that are paid for, null where no hard budget counts them; raises TN402, with the budget's id as DETAIL, when that would be less than `min_tokens`.
CREATE FUNCTION reserve_budgets(tenant uuid, run uuid, run_step integer, project uuid, agent_slug text, api_key uuid,
  input_usd numeric, usd_per_token numeric, max_tokens bigint, min_tokens bigint, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  zone text;
  spenders uuid[];
  is_new boolean;
  tightest uuid;
  room numeric;
  granted bigint := max_tokens;
BEGIN
  PERFORM lock_budgets(tenant);
  -- Whoever has waited may have waited for another clock.
  zone := budget_timezone(tenant);
  PERFORM free_reservations(tenant, ARRAY[run], ARRAY[0, run_step]);
  SELECT array_agg(b.id), bool_or(p.budget_id IS NULL), (array_agg(b.id ORDER BY left_.usd) FILTER (WHERE b.is_hard))[1],
         min(left_.usd) FILTER (WHERE b.is_hard)
    INTO spenders, is_new, tightest, room
    FROM budgets b
    LEFT JOIN budget_periods p ON p.tenant_id = tenant AND p.budget_id = b.id AND p.period_start = budget_period_start(b.period, zone, moment)
   CROSS JOIN LATERAL (SELECT b.limit_usd - coalesce(p.spent_usd, 0)
                            - budget_reserved(tenant, b.id, budget_period_start(b.period, zone, moment)) AS usd) AS left_
   WHERE b.tenant_id = tenant
     AND (b.scope, b.target) IN (('tenant', ''), ('project', project::text), ('agent', agent_slug), ('apiKey', api_key::text));
  IF spenders IS NULL THEN RETURN NULL; END IF;
  IF tightest IS NOT NULL THEN
    IF usd_per_token > 0 THEN granted := least(max_tokens, div(greatest(room - input_usd, 0), usd_per_token)); END IF;
    IF room < input_usd OR granted < min_tokens THEN
      RAISE EXCEPTION 'the budget has not room for this call' USING ERRCODE = 'TN402', DETAIL = tightest::text;
    END IF;
  END IF;
  IF is_new THEN
    INSERT INTO budget_periods (tenant_id, budget_id, period_start)
    SELECT tenant, id, budget_period_start(period, zone, moment) FROM budgets WHERE tenant_id = tenant AND id = ANY (spenders)
        ON CONFLICT DO NOTHING;
  END IF;
  WITH reserved AS (
    INSERT INTO budget_reservations (tenant_id, run_id, step, budget_id, period_start, amount_usd, created_at)
    SELECT tenant, run, run_step, id, budget_period_start(period, zone, moment), input_usd + granted * usd_per_token, now()
      FROM budgets WHERE tenant_id = tenant AND id = ANY (spenders)
    RETURNING budget_id, period_start, amount_usd
  )
  UPDATE budget_periods p SET reserved_usd = p.reserved_usd + r.amount_usd
    FROM reserved r WHERE p.tenant_id = tenant AND p.budget_id = r.budget_id AND p.period_start = r.period_start;
  RETURN CASE WHEN tightest IS NOT NULL THEN granted END;
END $$;

-- The same for who would rather be told the budget that refuses than lose his transaction; what was reserved before stays then.
CREATE FUNCTION try_reserve_budgets(tenant uuid, run uuid, run_step integer, project uuid, agent_slug text, api_key uuid,
  input_usd numeric, usd_per_token numeric, max_tokens bigint, min_tokens bigint, moment timestamptz,
  OUT granted bigint, OUT refused_by uuid) LANGUAGE plpgsql AS $$
DECLARE
  refused text;
BEGIN
  granted := reserve_budgets(tenant, run, run_step, project, agent_slug, api_key, input_usd, usd_per_token, max_tokens, min_tokens, moment);
EXCEPTION WHEN SQLSTATE 'TN402' THEN
  GET STACKED DIAGNOSTICS refused = PG_EXCEPTION_DETAIL;
  refused_by := refused::uuid;
END $$;

-- Gives back what is reserved for runs that nobody works on: ended, gone, or their worker's lease is over for `min_lost`, which leaves
-- workers time to come back after the database was away. What waits in the queue for its first worker keeps it.
CREATE FUNCTION sweep_reservations(tenant uuid, min_age interval, min_lost interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  lost uuid[];
BEGIN
  FOR look IN 1..2 LOOP
    SELECT array_agg(DISTINCT r.run_id) INTO lost FROM budget_reservations r
     WHERE r.tenant_id = tenant AND r.created_at < now() - min_age
       AND NOT EXISTS (SELECT FROM runs u WHERE u.tenant_id = tenant AND u.id = r.run_id AND u.finished_at IS NULL
                          AND (u.status = 'pending' OR u.lease_expires_at >= now() - min_lost));
    IF lost IS NULL THEN RETURN 0; END IF;
    -- Somebody may have taken one up while we waited: looks again.
    PERFORM lock_budgets(tenant);
  END LOOP;
  RETURN free_reservations(tenant, lost, NULL);
END $$;

-- Counts the period in which a new budget is made, from the entries. Waits for all who are booking. A new key has none.
CREATE FUNCTION count_new_budget(new_budget budgets) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  since timestamptz;
  spent numeric := 0;
BEGIN
  PERFORM lock_budgets(new_budget.tenant_id);
  since := budget_period_start(new_budget.period, budget_timezone(new_budget.tenant_id), new_budget.counted_from);
  IF new_budget.scope = 'tenant' THEN
    SELECT sum(cost_usd) INTO spent FROM cost_tracking WHERE tenant_id = new_budget.tenant_id AND created_at >= since;
  ELSIF new_budget.scope = 'agent' THEN
    SELECT sum(cost_usd) INTO spent FROM cost_tracking
     WHERE tenant_id = new_budget.tenant_id AND created_at >= since AND agent = new_budget.target;
  ELSIF new_budget.scope = 'project' THEN
    SELECT sum(cost_usd) INTO spent FROM cost_tracking
     WHERE tenant_id = new_budget.tenant_id AND project_id = new_budget.target::uuid AND created_at >= since;
  ELSIF NOT new_budget.is_of_key THEN
    SELECT sum(cost_usd) INTO spent FROM cost_tracking
     WHERE tenant_id = new_budget.tenant_id AND api_key_id = new_budget.target::uuid AND created_at >= since;
  END IF;
  INSERT INTO budget_periods (tenant_id, budget_id, period_start, spent_usd)
  VALUES (new_budget.tenant_id, new_budget.id, since, coalesce(spent, 0))
      ON CONFLICT (tenant_id, budget_id, period_start) DO UPDATE SET spent_usd = excluded.spent_usd;
END $$;

-- On another clock: all of a tenant's budgets that have periods are counted anew in those of `moment`, from one look at the entries.
-- What was counted by the old clock is emptied, what is reserved and what was told is taken along.
CREATE FUNCTION recount_budgets(tenant uuid, moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  zone text;
BEGIN
  PERFORM lock_budgets(tenant);
  zone := budget_timezone(tenant);
  WITH starts AS (
    SELECT period, budget_period_start(period, zone, moment) AS since FROM unnest(ARRAY['day', 'week', 'month']) AS period
  ), spent AS MATERIALIZED (
    SELECT s.period, c.project_id::text AS project, c.agent, c.api_key_id::text AS api_key, sum(c.cost_usd) AS usd
      FROM starts s JOIN cost_tracking c ON c.tenant_id = tenant AND c.created_at >= s.since AND c.cost_usd IS NOT NULL
     GROUP BY s.period, c.project_id, c.agent, c.api_key_id
  ), recounted AS MATERIALIZED (
    SELECT b.id, b.limit_usd, s.since,
           (SELECT max(p.period_start) FROM budget_periods p WHERE p.tenant_id = tenant AND p.budget_id = b.id) AS before,
           (SELECT coalesce(sum(r.amount_usd), 0) FROM budget_reservations r WHERE r.tenant_id = tenant AND r.budget_id = b.id) AS reserved_usd,
           coalesce((SELECT sum(x.usd) FROM spent x
                      WHERE x.period = b.period
                        AND CASE b.scope WHEN 'tenant' THEN true WHEN 'project' THEN x.project = b.target
                                 WHEN 'agent' THEN x.agent = b.target ELSE x.api_key = b.target END), 0) AS spent_usd
      FROM budgets b JOIN starts s ON s.period = b.period WHERE b.tenant_id = tenant
  ), emptied AS (
    UPDATE budget_periods p SET spent_usd = 0, reserved_usd = 0
      FROM recounted c WHERE p.tenant_id = tenant AND p.budget_id = c.id AND p.period_start <> c.since
  ), moved AS (
    UPDATE budget_reservations r SET period_start = c.since FROM recounted c WHERE r.tenant_id = tenant AND r.budget_id = c.id
  ), counted AS (
    INSERT INTO budget_periods (tenant_id, budget_id, period_start, spent_usd, reserved_usd)
    SELECT tenant, id, since, spent_usd, reserved_usd FROM recounted
        ON CONFLICT (tenant_id, budget_id, period_start)
        DO UPDATE SET spent_usd = excluded.spent_usd, reserved_usd = excluded.reserved_usd
  ), told AS (
    INSERT INTO budget_alerts (tenant_id, budget_id, period_start, kind, percent, spent_usd, reached_at, announced_at)
    SELECT a.tenant_id, a.budget_id, c.since, a.kind, a.percent, a.spent_usd, a.reached_at, coalesce(a.announced_at, moment)
      FROM recounted c JOIN budget_alerts a ON a.tenant_id = tenant AND a.budget_id = c.id AND a.period_start = c.before
     WHERE c.spent_usd * 100 >= c.limit_usd * a.percent
        ON CONFLICT DO NOTHING
  )
  UPDATE budgets b SET counted_from = moment FROM recounted c WHERE b.tenant_id = tenant AND b.id = c.id;
END $$;

-- A budget that is made, changed or deleted: in the last moment before the commit, as all that takes the lock. Whoever has booked
-- by then is counted; whoever has not waits, and finds the budget as it is.
CREATE FUNCTION settle_budget() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  at_hand text := current_setting('app.current_tenant', true);
BEGIN
  PERFORM set_config('app.current_tenant', NEW.tenant_id::text, true);
  PERFORM lock_budgets(NEW.tenant_id);
  IF NEW.is_deleted THEN
    DELETE FROM budgets WHERE tenant_id = NEW.tenant_id AND id = NEW.id;
  ELSE
    IF TG_OP = 'INSERT' THEN PERFORM count_new_budget(NEW); END IF;
    PERFORM raise_budget_alerts(NEW.tenant_id, ARRAY[NEW.id], NEW.updated_at);
  END IF;
  PERFORM set_config('app.current_tenant', coalesce(at_hand, ''), true);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER budgets_settle AFTER INSERT OR UPDATE OF limit_usd, alert_percents, is_hard, is_deleted ON budgets DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION settle_budget();

GRANT SELECT, INSERT ON model_prices TO :"app_role";
GRANT SELECT, INSERT, UPDATE ON cost_policies, cost_hourly, cost_hourly_detail, budget_periods, budget_alerts TO :"app_role";
GRANT SELECT, INSERT, DELETE ON cost_tail TO :"app_role";
GRANT SELECT, INSERT, UPDATE (period_start), DELETE ON budget_reservations TO :"app_role";
GRANT SELECT, INSERT, UPDATE, DELETE ON budgets TO :"app_role";
GRANT SELECT ON v_cost_summary_hourly TO :"app_role";

-- down
DROP TRIGGER runs_free_reservations ON runs;
DROP TRIGGER budgets_settle ON budgets;
DROP TRIGGER cost_tracking_keep_price ON cost_tracking;
DROP TRIGGER cost_tracking_count ON cost_tracking;
DROP FUNCTION settle_budget(), count_new_budget(budgets), sweep_reservations(uuid, interval, interval),
  try_reserve_budgets(uuid, uuid, integer, uuid, text, uuid, numeric, numeric, bigint, bigint, timestamptz),
  recount_budgets(uuid, timestamptz), free_reservations_of_run(), refuse_repricing(), count_cost(),
  reserve_budgets(uuid, uuid, integer, uuid, text, uuid, numeric, numeric, bigint, bigint, timestamptz),
  raise_budget_alerts(uuid, uuid[], timestamptz), free_reservations(uuid, uuid[], integer[]), lock_budgets(uuid),
  budget_timezone(uuid), budget_reserved(uuid, uuid, timestamptz), budget_period_end(text, text, timestamptz), budget_period_start(text, text, timestamptz);
DROP VIEW v_cost_summary_hourly;
DROP TABLE budget_alerts, budget_reservations, budget_periods, budgets, cost_hourly_detail, cost_hourly, cost_tail, cost_policies, model_prices;
DROP INDEX idx_cost_tracking_unpriced, idx_cost_tracking_tenant_user, idx_cost_tracking_tenant_api_key;
CREATE INDEX idx_cost_tracking_tenant_api_key ON cost_tracking (tenant_id, api_key_id) INCLUDE (cost_usd) WHERE api_key_id IS NOT NULL;
REVOKE UPDATE (cost_usd, input_usd_per_million, cached_input_usd_per_million, cache_write_usd_per_million, output_usd_per_million,
  reasoning_usd_per_million) ON cost_tracking FROM :"app_role";
ALTER TABLE cost_tracking DROP COLUMN cache_write_tokens, DROP COLUMN cache_write_usd_per_million, DROP COLUMN reasoning_usd_per_million;
DROP INDEX idx_runs_project_newest, idx_runs_tenant_created;
CREATE INDEX idx_runs_tenant_created ON runs (tenant_id, created_at);
REVOKE UPDATE (name, description, updated_at, archived_at, deleted_at) ON projects FROM :"app_role";
DROP INDEX projects_tenant_slug_key;
-- What was deleted comes back, beside the one that has its slug by now.
ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;
UPDATE projects SET slug = slug || '-' || id WHERE deleted_at IS NOT NULL;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
ALTER TABLE projects DROP COLUMN archived_at, DROP COLUMN deleted_at,
  ADD CONSTRAINT projects_tenant_slug_key UNIQUE (tenant_id, slug);
