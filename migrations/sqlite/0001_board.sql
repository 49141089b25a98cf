-- One board. Times are milliseconds since 1970 UTC; texts that people typed are stored as typed.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE tasks (
    id                   TEXT PRIMARY KEY,
    title                TEXT NOT NULL,
    body                 TEXT,
    assignee             TEXT,
    status               TEXT NOT NULL CHECK (status IN
        ('triage', 'todo', 'scheduled', 'ready', 'running', 'blocked', 'review', 'done', 'archived')),
    priority             INTEGER NOT NULL DEFAULT 0,
    tenant               TEXT,
    workspace_kind       TEXT NOT NULL DEFAULT 'scratch' CHECK (workspace_kind IN ('scratch', 'dir', 'worktree')),
    workspace_path       TEXT,
    branch_name          TEXT,
    project_id           TEXT,
    skills               TEXT NOT NULL DEFAULT '[]',
    goal_mode            INTEGER NOT NULL DEFAULT 0,
    goal_max_turns       INTEGER,
    max_retries          INTEGER,
    max_runtime_seconds  INTEGER,
    idempotency_key      TEXT,
    session_id           TEXT,
    workflow_template_id TEXT,
    current_step_key     TEXT,
    created_by           TEXT NOT NULL,
    creator_run          INTEGER,
    created_at           INTEGER NOT NULL,
    started_at           INTEGER,
    completed_at         INTEGER,
    result               TEXT,
    current_run          INTEGER REFERENCES runs (id),
    failures             INTEGER NOT NULL DEFAULT 0,
    last_error           TEXT,
    block_kind           TEXT CHECK (block_kind IN ('needs_input', 'capability', 'transient', 'dependency')),
    block_reason         TEXT,
    block_recurrences    INTEGER NOT NULL DEFAULT 0,
    parents_waived       INTEGER NOT NULL DEFAULT 0,
    not_before           INTEGER,
    CHECK ((status = 'running') = (current_run IS NOT NULL))
) STRICT;

CREATE TABLE links (
    parent_id TEXT NOT NULL REFERENCES tasks (id),
    child_id  TEXT NOT NULL REFERENCES tasks (id),
    PRIMARY KEY (parent_id, child_id),
    CHECK (parent_id <> child_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id             TEXT NOT NULL REFERENCES tasks (id),
    attempt             INTEGER NOT NULL,
    profile             TEXT,
    step_key            TEXT,
    token_hash          TEXT NOT NULL,
    holder              TEXT NOT NULL,
    claim_expires       INTEGER,
    workspace           TEXT,
    worker_pid          INTEGER,
    worker_start_time   INTEGER,
    boot_id             TEXT,
    max_runtime_seconds INTEGER,
    last_heartbeat_at   INTEGER,
    heartbeat_note      TEXT,
    started_at          INTEGER NOT NULL,
    ended_at            INTEGER,
    outcome             TEXT,
    ended_by            TEXT,
    summary             TEXT,
    metadata            TEXT,
    error               TEXT,
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT;

CREATE TABLE comments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id    TEXT NOT NULL REFERENCES tasks (id),
    author     TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id    TEXT NOT NULL,
    run_id     INTEGER,
    kind       TEXT NOT NULL,
    payload    TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE attachments (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id      TEXT NOT NULL REFERENCES tasks (id),
    filename     TEXT NOT NULL,
    stored_path  TEXT NOT NULL,
    content_type TEXT,
    size         INTEGER NOT NULL DEFAULT 0,
    uploaded_by  TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE threads (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    platform      TEXT NOT NULL,
    space         TEXT NOT NULL DEFAULT '',
    channel       TEXT NOT NULL,
    thread        TEXT NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,
    parked_at     INTEGER,
    parked_reason TEXT
) STRICT;

-- A thread follows one task, or (task_id NULL) all tasks of the board that fit the filters.
CREATE TABLE watches (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id   INTEGER NOT NULL REFERENCES threads (id),
    task_id     TEXT REFERENCES tasks (id),
    assignee    TEXT,
    tenant      TEXT,
    kinds       TEXT,
    user_id     TEXT,
    since_event INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id  INTEGER NOT NULL REFERENCES threads (id),
    task_id    TEXT,
    event      TEXT,
    post       TEXT NOT NULL,
    actions    TEXT,
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    parts_sent INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    message    TEXT,
    error      TEXT,
    created_at INTEGER NOT NULL,
    sent_at    INTEGER
) STRICT;

CREATE TABLE inbox (
    platform   TEXT NOT NULL,
    update_id  TEXT NOT NULL,
    receipt    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (platform, update_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked_profiles (
    profile TEXT PRIMARY KEY,
    until   INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    since   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_by_status ON tasks (status, priority DESC, created_at, id);
CREATE INDEX tasks_on_board ON tasks (priority DESC, created_at, id) WHERE status <> 'archived';
CREATE INDEX tasks_to_start ON tasks (status, assignee, priority DESC, created_at, id) WHERE status = 'ready';
CREATE INDEX tasks_due ON tasks (not_before) WHERE not_before IS NOT NULL;
CREATE INDEX tasks_set_aside ON tasks (status, not_before, id) WHERE not_before IS NOT NULL;
CREATE INDEX tasks_by_assignee ON tasks (assignee, status);
CREATE INDEX tasks_by_tenant ON tasks (tenant, priority DESC, created_at, id) WHERE tenant IS NOT NULL;
CREATE INDEX tasks_by_session ON tasks (session_id) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX tasks_idempotency ON tasks (idempotency_key)
    WHERE idempotency_key IS NOT NULL AND status <> 'archived';
-- The other side of a foreign key: without it, each change of a run looks at every task.
CREATE INDEX tasks_in_hand ON tasks (current_run) WHERE current_run IS NOT NULL;
CREATE INDEX links_by_child ON links (child_id, parent_id);
CREATE INDEX runs_by_task ON runs (task_id, id);
CREATE INDEX runs_open ON runs (id) WHERE ended_at IS NULL;
CREATE INDEX runs_by_profile ON runs (profile, id) WHERE outcome = 'completed';
CREATE INDEX comments_by_task ON comments (task_id, id);
CREATE INDEX events_by_task ON events (task_id, id);
CREATE INDEX attachments_by_task ON attachments (task_id, id);
CREATE UNIQUE INDEX threads_once ON threads (platform, space, channel, thread);
CREATE UNIQUE INDEX watches_once ON watches
    (thread_id, coalesce(task_id, ''), coalesce(assignee, ''), coalesce(tenant, ''));
CREATE INDEX watches_by_task ON watches (task_id);
CREATE INDEX deliveries_owed ON deliveries (thread_id, id) WHERE state = 'queued';
CREATE INDEX deliveries_by_message ON deliveries (thread_id, message) WHERE message IS NOT NULL;
CREATE INDEX deliveries_by_task ON deliveries (task_id) WHERE task_id IS NOT NULL;
