import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'

const HOLD = 4242
const POLL_MS = 10

/** Something that a commit wrote into the journal. */
export interface Mark {
  readonly tx: string
  readonly runId: string
  readonly position: number
  /** Such as `run tool.completed 3`, `child model.begun 1`, `run claimed 2`. */
  readonly name: string
  /** Of the claim under which it was written. */
  readonly fencing: number
  /** Milliseconds since the epoch, just before the commit. */
  readonly at: number
}

/**
 * Watches the journal in the database itself, as a superuser: notes down each commit, and can stop one at its very end. A run
 * whose root says `killAt: <name of a mark>` in its metadata waits in the commit of that mark for as long as commits are held.
 */
export class JournalWatch implements AsyncDisposable {
  private constructor(private readonly client: Client) {}

  /** Once the tables are there. */
  static async install(databaseUrl: string): Promise<JournalWatch> {
    const client = new Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(INSTALLATION)
    return new JournalWatch(client)
  }

  /** From now on commits that runs ask to be stopped in wait. */
  async hold(): Promise<void> {
    await this.client.query('SELECT pg_advisory_lock($1)', [HOLD])
  }

  /** Those that wait go on, and commit though nobody hears of it any more. */
  async letCommit(): Promise<void> {
    await this.client.query('SELECT pg_advisory_unlock($1)', [HOLD])
  }

  /** Those that wait are rolled back. */
  async rollBack(): Promise<void> {
    while ((await this.held()).length > 0) {
      await this.client.query(
        `SELECT pg_terminate_backend(l.pid) FROM pg_locks l
          WHERE l.locktype = 'advisory' AND l.objid = $1 AND NOT l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        [HOLD],
      )
      await sleep(POLL_MS)
    }
    await this.letCommit()
  }

  /** Marks at which commits wait now. */
  async held(): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>(
      `SELECT a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.objid = $1 AND NOT l.granted AND a.datname = current_database() ORDER BY 1`,
      [HOLD],
    )
    return rows.map(({ name }) => name)
  }

  marks(): Promise<Mark[]> {
    return this.query<Mark>(`SELECT tx, run_id AS "runId", position, name, fencing, at FROM chaos.marks ORDER BY id`)
  }

  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(text, values)).rows
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end()
  }
}

const INSTALLATION = `
CREATE SCHEMA chaos;
CREATE TABLE chaos.marks (id bigserial PRIMARY KEY, tx text NOT NULL, run_id uuid NOT NULL, position integer NOT NULL, name text NOT NULL,
                          fencing integer NOT NULL, at double precision NOT NULL);
CREATE FUNCTION chaos.mark(tenant uuid, run uuid, at_position integer, what text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  known record;
  full_name text;
BEGIN
  SELECT r.fencing_number AS fencing, r.parent_run_id, root.metadata ->> 'killAt' AS kill_at INTO known
    FROM runs r JOIN runs root ON root.tenant_id = r.tenant_id AND root.id = r.root_run_id
   WHERE r.tenant_id = tenant AND r.id = run;
  full_name := CASE WHEN known.parent_run_id IS NULL THEN 'run ' ELSE 'child ' END || what;
  INSERT INTO chaos.marks (tx, run_id, position, name, fencing, at)
  VALUES (pg_current_xact_id()::text, run, at_position, full_name, known.fencing, extract(epoch FROM clock_timestamp()) * 1000);
  IF known.kill_at = full_name THEN
    PERFORM set_config('application_name', full_name, false);
    PERFORM pg_advisory_xact_lock_shared(${HOLD});
  END IF;
END $$;

CREATE FUNCTION chaos.on_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM chaos.mark(NEW.tenant_id, NEW.id, 0, 'created');
  ELSIF NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL THEN
    PERFORM chaos.mark(NEW.tenant_id, NEW.id, 0, NEW.status);
  ELSIF NEW.fencing_number <> OLD.fencing_number THEN
    PERFORM chaos.mark(NEW.tenant_id, NEW.id, 0, 'claimed ' || NEW.fencing_number);
  ELSIF OLD.lease_expires_at IS NOT NULL AND NEW.lease_expires_at IS NULL THEN
    PERFORM chaos.mark(NEW.tenant_id, NEW.id, 0, 'let go ' || NEW.fencing_number);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_run AFTER INSERT OR UPDATE ON runs DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION chaos.on_run();

CREATE FUNCTION chaos.on_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  IF TG_OP = 'INSERT' OR NEW.status <> OLD.status OR NEW.started_at <> OLD.started_at THEN
    PERFORM chaos.mark(NEW.tenant_id, NEW.run_id, NEW.position, NEW.kind || '.'
      || CASE WHEN NEW.status <> 'running' THEN NEW.status WHEN TG_OP = 'INSERT' THEN 'begun' ELSE 'repeated' END
      || ' ' || NEW.position);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_step AFTER INSERT OR UPDATE ON run_steps DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION chaos.on_step();

CREATE FUNCTION chaos.on_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  IF NEW.status <> OLD.status THEN
    PERFORM chaos.mark(NEW.tenant_id, NEW.run_id, NEW.position, 'approval ' || NEW.status);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_approval AFTER UPDATE ON approvals DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION chaos.on_approval();

CREATE FUNCTION chaos.on_text() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  PERFORM chaos.mark(NEW.tenant_id, NEW.run_id, 0, 'text');
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_text AFTER INSERT ON run_events DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.type = 'output.delta') EXECUTE FUNCTION chaos.on_text();
`
