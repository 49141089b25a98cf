-- Files that people sent along with a message: owed to a task until they are fetched from the platform or given up.

CREATE TABLE incoming (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id     TEXT NOT NULL REFERENCES tasks (id),
    -- Where it was said, which is told if nothing comes of it.
    thread_id   INTEGER NOT NULL REFERENCES threads (id),
    -- Name, size, media type and the platform's handle, as JSON.
    file        TEXT NOT NULL,
    person      TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'taken', 'refused')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    -- Until when its task does not start without it.
    holds_until INTEGER NOT NULL,
    error       TEXT,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX incoming_waiting ON incoming (next_at) WHERE state = 'waiting';
CREATE INDEX incoming_of_task ON incoming (task_id);
CREATE INDEX incoming_of_thread ON incoming (thread_id);
