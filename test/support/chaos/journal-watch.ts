import { CommitGate, HOLD } from './commit-gate.js'

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
export class JournalWatch extends CommitGate {
  /** Once the tables are there. */
  static async install(databaseUrl: string): Promise<JournalWatch> {
    return new JournalWatch(await CommitGate.connect(databaseUrl, INSTALLATION))
  }

  marks(): Promise<Mark[]> {
    return this.query<Mark>(`SELECT tx, run_id AS "runId", position, name, fencing, at FROM chaos.marks ORDER BY id`)
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
