import { CommitGate, HOLD } from './commit-gate.js'

/** Can stop every claim of webhook deliveries in its commit: what is due has been told to nobody then. */
export class ClaimWatch extends CommitGate {
  /** Once the tables are there. */
  static async install(databaseUrl: string): Promise<ClaimWatch> {
    return new ClaimWatch(await CommitGate.connect(databaseUrl, INSTALLATION))
  }
}

const INSTALLATION = `
CREATE SCHEMA chaos;
CREATE FUNCTION chaos.on_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${HOLD});
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_claim AFTER UPDATE ON webhook_deliveries DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.claim_number <> OLD.claim_number) EXECUTE FUNCTION chaos.on_claim();
`
