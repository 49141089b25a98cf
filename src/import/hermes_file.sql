-- A board of ours, attached as `ours`, as Hermes 0.19 keeps one. Times are seconds there.

CREATE TABLE tasks (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, body TEXT, assignee TEXT, status TEXT NOT NULL, priority INTEGER DEFAULT 0,
    created_by TEXT, created_at INTEGER NOT NULL, started_at INTEGER, completed_at INTEGER,
    workspace_kind TEXT NOT NULL DEFAULT 'scratch', workspace_path TEXT, branch_name TEXT, project_id TEXT,
    claim_lock TEXT, claim_expires INTEGER, tenant TEXT, result TEXT, idempotency_key TEXT,
    consecutive_failures INTEGER NOT NULL DEFAULT 0, worker_pid INTEGER, last_failure_error TEXT,
    max_runtime_seconds INTEGER, last_heartbeat_at INTEGER, current_run_id INTEGER, workflow_template_id TEXT,
    current_step_key TEXT, skills TEXT, model_override TEXT, max_retries INTEGER, goal_mode INTEGER NOT NULL DEFAULT 0,
    goal_max_turns INTEGER, session_id TEXT, block_kind TEXT, block_recurrences INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE task_links (parent_id TEXT NOT NULL, child_id TEXT NOT NULL, PRIMARY KEY (parent_id, child_id));
CREATE TABLE task_comments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE task_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, run_id INTEGER, kind TEXT NOT NULL, payload TEXT,
    created_at INTEGER NOT NULL
);
CREATE TABLE task_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, profile TEXT, step_key TEXT, status TEXT NOT NULL,
    claim_lock TEXT, claim_expires INTEGER, worker_pid INTEGER, max_runtime_seconds INTEGER, last_heartbeat_at INTEGER,
    started_at INTEGER NOT NULL, ended_at INTEGER, outcome TEXT, summary TEXT, metadata TEXT, error TEXT
);
CREATE TABLE task_attachments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, filename TEXT NOT NULL, stored_path TEXT NOT NULL,
    content_type TEXT, size INTEGER NOT NULL DEFAULT 0, uploaded_by TEXT, created_at INTEGER NOT NULL
);
CREATE TABLE kanban_notify_subs (
    task_id TEXT NOT NULL, platform TEXT NOT NULL, chat_id TEXT NOT NULL, thread_id TEXT NOT NULL DEFAULT '',
    user_id TEXT, notifier_profile TEXT, created_at INTEGER NOT NULL, last_event_id INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, platform, chat_id, thread_id)
);

-- A task that is at work has a claim there which is over, so that it is taken back at the first look.
INSERT INTO tasks SELECT id, title, body, assignee, status, priority, created_by, created_at / 1000, started_at / 1000,
    completed_at / 1000, workspace_kind, workspace_path, branch_name, project_id,
    CASE WHEN current_run IS NOT NULL THEN 'kanban:0' END, CASE WHEN current_run IS NOT NULL THEN started_at / 1000 END,
    tenant, result, idempotency_key, failures, NULL, last_error, max_runtime_seconds,
    (SELECT last_heartbeat_at / 1000 FROM ours.runs WHERE runs.id = current_run), current_run, workflow_template_id,
    current_step_key, nullif(skills, '[]'), NULL, max_retries, goal_mode, goal_max_turns, session_id, block_kind,
    block_recurrences
FROM ours.tasks ORDER BY rowid;
INSERT INTO task_links SELECT parent_id, child_id FROM ours.links ORDER BY parent_id, child_id;
INSERT INTO task_comments SELECT id, task_id, author, body, created_at / 1000 FROM ours.comments ORDER BY id;
INSERT INTO task_runs SELECT id, task_id, profile, step_key,
    CASE WHEN outcome IS NULL THEN 'running' WHEN outcome = 'completed' THEN 'done' ELSE outcome END,
    CASE WHEN outcome IS NULL THEN 'kanban:0' END, CASE WHEN outcome IS NULL THEN started_at / 1000 END, NULL,
    max_runtime_seconds, last_heartbeat_at / 1000, started_at / 1000, ended_at / 1000, outcome, summary, metadata, error
FROM ours.runs ORDER BY id;
-- What an import could not name by a kind of ours has its own name again.
INSERT INTO task_events SELECT events.id, events.task_id, run_id,
    CASE WHEN kind = 'imported' THEN coalesce(json_extract(payload, '$.kind'), kind) ELSE kind END,
    CASE WHEN kind = 'imported' AND json_extract(payload, '$.kind') IS NOT NULL THEN json_extract(payload, '$.payload')
        ELSE payload END,
    events.created_at / 1000
FROM ours.events JOIN ours.tasks ON tasks.id = events.task_id ORDER BY events.id;
-- Whoever follows there begins behind what was told here. Threads that are not open yet have no address.
INSERT OR IGNORE INTO kanban_notify_subs SELECT watches.task_id, platform, channel, thread, user_id, NULL,
    watches.created_at / 1000, (SELECT coalesce(max(id), 0) FROM ours.events)
FROM ours.watches JOIN ours.threads ON threads.id = watches.thread_id
WHERE watches.task_id IS NOT NULL AND opens_on IS NULL ORDER BY watches.id;

CREATE INDEX idx_tasks_assignee_status ON tasks (assignee, status);
CREATE INDEX idx_tasks_status ON tasks (status);
CREATE INDEX idx_links_child ON task_links (child_id);
CREATE INDEX idx_links_parent ON task_links (parent_id);
CREATE INDEX idx_comments_task ON task_comments (task_id, created_at);
CREATE INDEX idx_events_task ON task_events (task_id, created_at);
CREATE INDEX idx_runs_task ON task_runs (task_id, started_at);
CREATE INDEX idx_runs_status ON task_runs (status);
CREATE INDEX idx_attachments_task ON task_attachments (task_id, created_at);
CREATE INDEX idx_notify_task ON kanban_notify_subs (task_id);
CREATE INDEX idx_tasks_tenant ON tasks (tenant);
CREATE INDEX idx_tasks_idempotency ON tasks (idempotency_key);
CREATE INDEX idx_tasks_session_id ON tasks (session_id);
CREATE INDEX idx_events_run ON task_events (run_id, id);
