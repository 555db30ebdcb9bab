-- Webhooks: who wants to be told what, what there is to tell, and each delivery with its attempts. The rows are the queue: what a
-- transaction has told is delivered after its commit, or after the next start; there is no second store that could forget it.

-- up
-- A UUIDv7 (RFC 9562 §5.7) of a moment: ids that the database makes sort by time like those that the app makes.
CREATE FUNCTION uuid_at(moment timestamptz) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
  PLACING substring(int8send((extract(epoch FROM moment) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid;

CREATE TABLE webhooks (
  tenant_id       uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id              uuid NOT NULL,
  url             text NOT NULL,
  description     text,
  -- As the tenant gave them: `run.completed`, `run.*`, `*`.
  events          text[] NOT NULL CONSTRAINT webhooks_events_check CHECK (cardinality(events) > 0),
  is_active       boolean NOT NULL,
  max_per_second  integer CONSTRAINT webhooks_rate_check CHECK (max_per_second > 0),
  -- Who switched it off, where it was not a person: the receiver said 410, or nothing but failure for days.
  disabled_reason text CONSTRAINT webhooks_disabled_check CHECK (disabled_reason IN ('gone', 'failing')),
  disabled_at     timestamptz,
  created_at      timestamptz NOT NULL,
  updated_at      timestamptz NOT NULL,
  -- Its deliveries outlive it, for those who ask what was sent.
  deleted_at      timestamptz,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT webhooks_deleted_check CHECK (deleted_at IS NULL OR NOT is_active)
);
ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY webhooks_tenant ON webhooks TO :"app_role" USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- The same events, of endpoints that are active, as they are looked up when something happens: `<tenant>/run.*`. A table of its
-- own, since `&&` is not leakproof: under row-level security an index serves it from within a policy only (as `audit_search`).
CREATE TABLE webhook_subscriptions (
  tenant_id  uuid NOT NULL,
  webhook_id uuid NOT NULL,
  event_keys text[] NOT NULL,
  PRIMARY KEY (tenant_id, webhook_id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
-- fastupdate off: what a pending list holds would have to be read by every event.
CREATE INDEX idx_webhooks_events_gin ON webhook_subscriptions USING gin (event_keys) WITH (fastupdate = off);

CREATE FUNCTION app_event_keys() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN ARRAY[
  current_setting('app.current_tenant', true) || '/' || current_setting('app.event', true),
  current_setting('app.current_tenant', true) || '/' || split_part(current_setting('app.event', true), '.', 1) || '.*',
  current_setting('app.current_tenant', true) || '/*'
];

ALTER TABLE webhook_subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_subscriptions_tenant ON webhook_subscriptions TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY webhook_subscriptions_match ON webhook_subscriptions AS RESTRICTIVE FOR SELECT TO :"app_role"
  USING (event_keys && app_event_keys());

-- Whoever changes an endpoint need not think of its subscription. Its own id is one of the keys, for nobody finds a row without one.
CREATE FUNCTION webhook_subscribe() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.event', NEW.id::text, true);
  DELETE FROM webhook_subscriptions WHERE tenant_id = NEW.tenant_id AND webhook_id = NEW.id;
  IF NEW.is_active THEN
    INSERT INTO webhook_subscriptions (tenant_id, webhook_id, event_keys)
    SELECT NEW.tenant_id, NEW.id, array_agg(NEW.tenant_id || '/' || key)
      FROM unnest(NEW.events || NEW.id::text) AS key;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER webhooks_subscribe AFTER INSERT OR UPDATE OF events, is_active ON webhooks
  FOR EACH ROW EXECUTE FUNCTION webhook_subscribe();

-- What an endpoint's deliveries are signed with. Those that a rotation has replaced sign beside the current one until they expire.
CREATE TABLE webhook_secrets (
  tenant_id  uuid NOT NULL,
  webhook_id uuid NOT NULL,
  id         uuid NOT NULL,
  sealed     bytea NOT NULL,
  created_at timestamptz NOT NULL,
  -- Null: the current one.
  expires_at timestamptz,
  PRIMARY KEY (tenant_id, webhook_id, id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX webhook_secrets_current_key ON webhook_secrets (tenant_id, webhook_id) WHERE expires_at IS NULL;
ALTER TABLE webhook_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_secrets_tenant ON webhook_secrets TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- How an endpoint has been doing, for all replicas: pace, circuit breaker, how long it has failed. Not in `webhooks`, whose rows
-- each event locks for its foreign keys: whoever claims deliveries locks these.
CREATE TABLE webhook_health (
  tenant_id            uuid NOT NULL,
  webhook_id           uuid NOT NULL,
  -- Token bucket of `max_per_second`, as it was at `tokens_at`.
  tokens               double precision NOT NULL DEFAULT 1,
  tokens_at            timestamptz NOT NULL DEFAULT now(),
  consecutive_failures integer NOT NULL DEFAULT 0,
  -- How often in a row the circuit has opened; 0: it is closed. Each time it stays open for twice as long.
  circuit_level        integer NOT NULL DEFAULT 0,
  -- Nothing is sent before: the circuit is open, or the receiver said Retry-After.
  paused_until         timestamptz,
  -- It answers again after a time of failure: what waits for a retry becomes due now, once each, oldest first, as far as the cursor has come.
  is_recovering        boolean NOT NULL DEFAULT false,
  recovery_cursor      uuid,
  -- Begin of the failures that no success has interrupted.
  failing_since        timestamptz,
  last_success_at      timestamptz,
  last_failure_at      timestamptz,
  PRIMARY KEY (tenant_id, webhook_id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
ALTER TABLE webhook_health ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_health FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_health_tenant ON webhook_health TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

-- What there is to tell: one row for all endpoints, with the exact bytes that are signed and sent. `id` is the `webhook-id`.
CREATE TABLE webhook_messages (
  tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id         text NOT NULL,
  type       text NOT NULL,
  body       text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX idx_webhook_messages_age ON webhook_messages (created_at);
ALTER TABLE webhook_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_messages_tenant ON webhook_messages TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY webhook_messages_retention_read ON webhook_messages FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'webhooks.retention' THEN created_at < now() - interval '1 day' ELSE false END);
CREATE POLICY webhook_messages_retention ON webhook_messages FOR DELETE TO :"app_role"
  USING (CASE WHEN app_purpose() = 'webhooks.retention' THEN created_at < now() - interval '1 day' ELSE false END);

-- Deliveries that were asked for once more, of a window of time. It goes on behind `cursor` after a crash.
CREATE TABLE webhook_replays (
  tenant_id      uuid NOT NULL,
  id             uuid NOT NULL,
  webhook_id     uuid NOT NULL,
  since          timestamptz NOT NULL,
  until          timestamptz NOT NULL,
  -- Only deliveries that stand so; null: all.
  status         text,
  cursor         uuid,
  replayed       bigint NOT NULL DEFAULT 0,
  created_at     timestamptz NOT NULL,
  finished_at    timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE
);
-- One at a time of an endpoint; and how they are found.
CREATE UNIQUE INDEX webhook_replays_open_key ON webhook_replays (tenant_id, webhook_id) WHERE finished_at IS NULL;
CREATE INDEX idx_webhook_replays_tenant_webhook ON webhook_replays (tenant_id, webhook_id, id DESC);
ALTER TABLE webhook_replays ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_replays FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_replays_tenant ON webhook_replays TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY webhook_replays_open ON webhook_replays FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'webhooks.replay' THEN finished_at IS NULL ELSE false END);

-- One message for one endpoint: the queue, and the record.
CREATE TABLE webhook_deliveries (
  tenant_id     uuid NOT NULL,
  id            uuid NOT NULL,
  webhook_id    uuid NOT NULL,
  message_id    text NOT NULL,
  event_type    text NOT NULL,
  status        text NOT NULL CONSTRAINT webhook_deliveries_status_check
                CHECK (status IN ('pending', 'delivering', 'delivered', 'retrying', 'exhausted')),
  -- Attempts whose outcome is known; one that a crash cut off is made again and not counted.
  attempts      integer NOT NULL DEFAULT 0,
  -- When it is due: of a delivery under way, when its claim ends and somebody else may take it.
  next_retry_at timestamptz,
  -- Grows with each claim: who was late writes nothing.
  claim_number  bigint NOT NULL DEFAULT 0,
  last_status   integer,
  last_error    text,
  replay_id     uuid,
  created_at    timestamptz NOT NULL,
  finished_at   timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, message_id) REFERENCES webhook_messages (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT webhook_deliveries_queue_check
    CHECK ((next_retry_at IS NOT NULL) = (status IN ('pending', 'delivering', 'retrying')))
) WITH (fillfactor = 70);
-- The queue: from endpoint to endpoint, of each the longest due.
CREATE INDEX idx_webhook_deliveries_retry_queue ON webhook_deliveries (tenant_id, webhook_id, next_retry_at, id)
  WHERE next_retry_at IS NOT NULL;
CREATE INDEX idx_webhook_deliveries_under_way ON webhook_deliveries (tenant_id, webhook_id, next_retry_at) WHERE status = 'delivering';
CREATE INDEX idx_webhook_deliveries_webhook_status_date ON webhook_deliveries (tenant_id, webhook_id, status, id DESC);
CREATE INDEX idx_webhook_deliveries_tenant_webhook ON webhook_deliveries (tenant_id, webhook_id, id DESC);
CREATE INDEX idx_webhook_deliveries_tenant_message ON webhook_deliveries (tenant_id, message_id);
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_deliveries_tenant ON webhook_deliveries TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());
CREATE POLICY webhook_deliveries_dispatch ON webhook_deliveries FOR SELECT TO :"app_role"
  USING (CASE WHEN app_purpose() = 'webhooks.dispatch' THEN next_retry_at IS NOT NULL ELSE false END);

CREATE TABLE webhook_attempts (
  tenant_id        uuid NOT NULL,
  delivery_id      uuid NOT NULL,
  number           integer NOT NULL,
  started_at       timestamptz NOT NULL,
  duration_ms      integer NOT NULL,
  -- Null where there was no answer: then `error` says why.
  response_status  integer,
  response_headers jsonb,
  -- Its first 4 KiB.
  response_body    text,
  error            text,
  PRIMARY KEY (tenant_id, delivery_id, number),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_deliveries (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE webhook_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY webhook_attempts_tenant ON webhook_attempts TO :"app_role"
  USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());

GRANT SELECT, INSERT, UPDATE ON webhooks, webhook_health, webhook_deliveries TO :"app_role";
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_secrets, webhook_replays TO :"app_role";
GRANT SELECT, INSERT, DELETE ON webhook_subscriptions, webhook_messages TO :"app_role";
GRANT SELECT, INSERT ON webhook_attempts TO :"app_role";

-- Event → one message and a delivery for each endpoint that wants it, in the event's own transaction. The notification names the
-- endpoints' tenant: a wake-up, never the truth.
-- Returns the number of deliveries.
CREATE FUNCTION webhook_fan_out(message_id text, event_type text, body text, occurred_at timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  endpoints integer;
BEGIN
  PERFORM set_config('app.event', event_type, true);
  IF NOT EXISTS (SELECT FROM webhook_subscriptions) THEN RETURN 0; END IF;
  INSERT INTO webhook_messages (tenant_id, id, type, body, created_at)
  VALUES (app_tenant(), message_id, event_type, body, occurred_at);
  INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at)
  SELECT tenant_id, uuid_at(occurred_at), webhook_id, message_id, event_type, 'pending', now(), occurred_at
    FROM webhook_subscriptions;
  GET DIAGNOSTICS endpoints = ROW_COUNT;
  PERFORM pg_notify('webhook_deliveries', app_tenant()::text);
  RETURN endpoints;
END $$;

-- Endpoints that have just begun to recover: the delivery that has waited longest for its retry is due now, so that somebody looks,
-- and makes the others due as well.
CREATE FUNCTION webhook_wake_recovering(ids uuid[]) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  UPDATE webhook_deliveries d SET next_retry_at = least(d.next_retry_at, now())
    FROM webhook_health h CROSS JOIN LATERAL (
           SELECT w.id FROM webhook_deliveries w
            WHERE w.tenant_id = h.tenant_id AND w.webhook_id = h.webhook_id AND w.status = 'retrying' ORDER BY w.id LIMIT 1) AS oldest
   WHERE h.tenant_id = app_tenant() AND h.webhook_id = ANY (ids) AND h.is_recovering AND h.recovery_cursor IS NULL
     AND d.tenant_id = h.tenant_id AND d.id = oldest.id;
END;

-- down
DROP FUNCTION webhook_wake_recovering(uuid[]);
DROP FUNCTION webhook_fan_out(text, text, text, timestamptz);
DROP TABLE webhook_attempts, webhook_deliveries, webhook_replays, webhook_messages, webhook_health, webhook_secrets,
  webhook_subscriptions, webhooks;
DROP FUNCTION webhook_subscribe(), app_event_keys(), uuid_at(timestamptz);
