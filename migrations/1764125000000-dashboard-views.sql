-- What a dashboard shows of a tenant's runs, as views: one tenant's by an index of its own, also where somebody asks by hand.
-- They see what who asks may see. `last 24 hours`: the runs that were created in them, whenever they ended; durations are those
-- that runs show, of runs that began and ended.

-- up
-- What is read from an index alone is read from the table, too, on pages that nobody has vacuumed since they were written to. A fifth of
-- a million runs would be the work of weeks.
ALTER TABLE runs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);

CREATE VIEW v_run_metrics_summary WITH (security_invoker = true) AS
SELECT t.id AS tenant_id, active.queued, active.running, active.waiting_approval, days.today, last24h.runs AS runs_24h,
       last24h.completed AS completed_24h, last24h.failed AS failed_24h, last24h.cancelled AS cancelled_24h,
       last24h.avg_duration_ms AS avg_duration_ms_24h, last24h.p95_duration_ms AS p95_duration_ms_24h,
       last24h.cache_hits AS cache_hits_24h, last24h.cache_misses AS cache_misses_24h
  FROM tenants t
 CROSS JOIN LATERAL (
   SELECT count(*) FILTER (WHERE status = 'pending') AS queued, count(*) FILTER (WHERE status = 'running') AS running,
          count(*) FILTER (WHERE status = 'waiting_approval') AS waiting_approval
     FROM runs WHERE tenant_id = t.id AND status IN ('pending', 'running', 'waiting_approval')) AS active
 -- The tenant's own day, which need not begin with a day of UTC, nor be one of 24 hours.
 CROSS JOIN LATERAL (
   SELECT count(*) AS today FROM runs
    WHERE tenant_id = t.id AND created_at >= budget_period_start('day', budget_timezone(t.id), now())) AS days
 CROSS JOIN LATERAL (
   SELECT count(*) AS runs, count(*) FILTER (WHERE status = 'completed') AS completed,
          count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
          avg(date_part('epoch', finished_at - started_at) * 1000) AS avg_duration_ms,
          percentile_cont(0.95) WITHIN GROUP (ORDER BY date_part('epoch', finished_at - started_at) * 1000) AS p95_duration_ms,
          count(*) FILTER (WHERE cache = 'hit' AND finished_at IS NOT NULL) AS cache_hits,
          count(*) FILTER (WHERE cache = 'miss' AND finished_at IS NOT NULL) AS cache_misses
     FROM runs WHERE tenant_id = t.id AND created_at >= now() - interval '24 hours') AS last24h;

CREATE VIEW v_run_status_distribution_24h WITH (security_invoker = true) AS
SELECT tenant_id, status, count(*) AS runs,
       round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY tenant_id), 2) AS percentage
  FROM runs
 WHERE created_at >= now() - interval '24 hours'
 GROUP BY tenant_id, status;

CREATE VIEW v_agent_performance_metrics WITH (security_invoker = true) AS
SELECT tenant_id, agent, count(*) AS runs_24h, count(*) FILTER (WHERE status = 'completed') AS completed_24h,
       count(*) FILTER (WHERE status = 'failed') AS failed_24h, count(*) FILTER (WHERE status = 'cancelled') AS cancelled_24h,
       avg(date_part('epoch', finished_at - started_at) * 1000) AS avg_duration_ms_24h,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', finished_at - started_at) * 1000) AS p50_duration_ms_24h,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY date_part('epoch', finished_at - started_at) * 1000) AS p95_duration_ms_24h
  FROM runs
 WHERE created_at >= now() - interval '24 hours'
 GROUP BY tenant_id, agent;

GRANT SELECT ON v_run_metrics_summary, v_run_status_distribution_24h, v_agent_performance_metrics TO :"app_role";

-- down
DROP VIEW v_run_metrics_summary, v_run_status_distribution_24h, v_agent_performance_metrics;
ALTER TABLE runs RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
