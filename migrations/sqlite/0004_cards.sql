-- Threads of tasks' own, live cards, and watches with a policy.

-- The task whose own thread it is.
ALTER TABLE threads ADD COLUMN task_id TEXT;
-- It is opened on the message of this delivery, in its channel; NULL once it is open. Until then its address is provisional.
ALTER TABLE threads ADD COLUMN opens_on INTEGER;
-- When the first attempt to open it began of which it is not known what came of it.
ALTER TABLE threads ADD COLUMN opening_since INTEGER;
ALTER TABLE threads ADD COLUMN open_failures INTEGER NOT NULL DEFAULT 0;

CREATE INDEX threads_of_tasks ON threads (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX threads_opened_on ON threads (opens_on) WHERE opens_on IS NOT NULL;

-- What a thread is told unless it chose kinds: all, changes, decisions, final, silent or ping; NULL means decisions.
ALTER TABLE watches ADD COLUMN policy TEXT;
-- Why it follows: created, own, parent:<task>; NULL where somebody asked for it.
ALTER TABLE watches ADD COLUMN reason TEXT;

-- Messages that are kept up to date: of a task, or (task_id NULL) of the board.
CREATE TABLE cards (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id   INTEGER NOT NULL REFERENCES threads (id),
    task_id     TEXT REFERENCES tasks (id),
    -- Whose message it is.
    delivery_id INTEGER NOT NULL,
    -- How its text begins: created or title.
    lead        TEXT NOT NULL,
    -- What it was last made to show; empty when that is not known.
    shown       TEXT NOT NULL,
    -- Something has happened since: 0 or 1.
    stale       INTEGER NOT NULL DEFAULT 0,
    -- It is not edited again before this time.
    next_at     INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX cards_once ON cards (thread_id, coalesce(task_id, ''));
CREATE INDEX cards_by_task ON cards (task_id);
CREATE INDEX cards_by_delivery ON cards (delivery_id);
CREATE INDEX cards_stale ON cards (next_at) WHERE stale = 1;

-- A task's card names the tasks that its workers made.
CREATE INDEX tasks_by_creator ON tasks (creator_run) WHERE creator_run IS NOT NULL;
