-- What a task may use over all its attempts, and what it has used. Costs are millionths of whichever unit people count in.

ALTER TABLE tasks ADD COLUMN max_total_seconds INTEGER;
ALTER TABLE tasks ADD COLUMN max_cost INTEGER CHECK (max_cost >= 0);
-- As its workers report it.
ALTER TABLE tasks ADD COLUMN cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0);
-- How long workers have been at it, in milliseconds; a run that is open is not among it.
ALTER TABLE tasks ADD COLUMN worked_ms INTEGER NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0);
-- When its worker ended, where that is known before the run is closed: a gateway may learn of it late.
ALTER TABLE runs ADD COLUMN worker_ended_at INTEGER;

UPDATE tasks SET worked_ms = coalesce((SELECT sum(max(ended_at - started_at, 0)) FROM runs
    WHERE runs.task_id = tasks.id AND holder = 'gateway' AND ended_at IS NOT NULL), 0);
