-- Whether the agent surely knows the session of a run, and after what the run went on in it: 'word' (the worker itself had
-- ended the run before) or 'failure'; NULL for a new session.
ALTER TABLE runs ADD COLUMN session_known INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN resumed_after TEXT;
