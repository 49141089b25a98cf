-- The run whose worker handed a file over with its work; none for a file that was attached.
ALTER TABLE attachments ADD COLUMN run_id INTEGER;

CREATE INDEX attachments_by_run ON attachments (run_id) WHERE run_id IS NOT NULL;
