-- Work that was handed in, and what somebody else said of it.

-- A task in review has one open review: one without a verdict.
CREATE TABLE reviews (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id    TEXT NOT NULL REFERENCES tasks (id),
    -- The run whose work it is, the profile that did it, and who held it: none of them may approve it.
    run_id     INTEGER NOT NULL,
    profile    TEXT,
    holder     TEXT NOT NULL,
    -- The profile that is to look at it; a person where there is none.
    reviewer   TEXT,
    -- The event that tells of it.
    event_id   INTEGER,
    asked_by   TEXT NOT NULL,
    asked_at   INTEGER NOT NULL,
    verdict    TEXT CHECK (verdict IN ('approved', 'changes', 'withdrawn')),
    decided_by TEXT,
    -- Whether the verdict is a worker's: 0 or 1.
    by_worker  INTEGER NOT NULL DEFAULT 0,
    decided_at INTEGER,
    CHECK ((verdict IS NULL) = (decided_at IS NULL)),
    CHECK ((verdict IS NULL) = (decided_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX reviews_open ON reviews (task_id) WHERE verdict IS NULL;
CREATE INDEX reviews_by_task ON reviews (task_id, id);
CREATE INDEX reviews_by_reviewer ON reviews (reviewer) WHERE verdict IS NULL AND reviewer IS NOT NULL;

-- The review that a run is for; none where it does the work itself.
ALTER TABLE runs ADD COLUMN review INTEGER;
