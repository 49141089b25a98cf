-- What is in force in a place: a thread, its channel (thread empty) or its space (channel empty too). In the default board.

CREATE TABLE pins (
    platform  TEXT NOT NULL,
    space     TEXT NOT NULL,
    channel   TEXT NOT NULL,
    thread    TEXT NOT NULL,
    -- Each field by itself; NULL is taken from the wider place.
    workspace TEXT,
    board     TEXT,
    assignee  TEXT,
    tenant    TEXT,
    -- Who set each of these; `set_by` is who set the others.
    workspace_by TEXT,
    board_by     TEXT,
    assignee_by  TEXT,
    tenant_by    TEXT,
    -- Whether tasks get threads of their own: 0 or 1.
    threads   INTEGER,
    -- The profile that answers plain messages, or `off`.
    agent     TEXT,
    -- What happens to a message while the agent works: queue, interrupt or refuse.
    lane      TEXT,
    set_by    TEXT NOT NULL,
    set_at    INTEGER NOT NULL,
    PRIMARY KEY (platform, space, channel, thread)
) STRICT, WITHOUT ROWID;

-- The directories that tasks were allowed: below which root, and since when one is gone.
CREATE TABLE workplaces (
    task_id    TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    root       TEXT NOT NULL,
    gone_since INTEGER
) STRICT, WITHOUT ROWID;
