-- Commands that are run again and again, and what became of each of their times.

CREATE TABLE schedules (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    -- A cron rule, and the zone whose wall times it names.
    rule         TEXT NOT NULL,
    zone         TEXT NOT NULL,
    -- Its words as a JSON array; one that was typed in a chat is a single text.
    command      TEXT NOT NULL,
    -- What becomes of times that passed while no gateway ran.
    missed       TEXT NOT NULL CHECK (missed IN ('skip', 'once', 'all')),
    -- Whether it fires while its last task is not final.
    overlaps     INTEGER NOT NULL DEFAULT 0,
    tenant       TEXT,
    -- Where it was made, and where its results go.
    thread_id    INTEGER REFERENCES threads (id),
    -- Who made it, as it is shown, and as JSON as the platform named them; the local owner has no author.
    maker        TEXT NOT NULL,
    author       TEXT,
    paused_by    TEXT,
    created_at   INTEGER NOT NULL,
    -- All its times up to this one were seen to.
    seen_until   INTEGER NOT NULL,
    next_at      INTEGER,
    -- Why it could not fire the last time.
    error        TEXT
) STRICT;

CREATE INDEX schedules_due ON schedules (next_at) WHERE paused_by IS NULL;
CREATE INDEX schedules_of_thread ON schedules (thread_id) WHERE thread_id IS NOT NULL;

-- One row for each time, so that none fires twice.
CREATE TABLE firings (
    schedule_id INTEGER NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    -- The time that the rule names, whenever it was acted on.
    nominal     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('fired', 'skipped', 'refused')),
    -- Who fired it by hand.
    fired_by    TEXT,
    task_id     TEXT,
    reason      TEXT,
    PRIMARY KEY (schedule_id, nominal)
) STRICT, WITHOUT ROWID;
