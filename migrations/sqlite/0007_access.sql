-- Grants, pairing and the audit.

-- Roles that were given while the gateway runs; those of the settings stand beside them. In the default board.
CREATE TABLE grants (
    who        TEXT NOT NULL,
    role       TEXT NOT NULL,
    -- Where it holds; an empty text is everywhere.
    platform   TEXT NOT NULL,
    space      TEXT NOT NULL,
    channel    TEXT NOT NULL,
    board      TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (who, platform, space, channel, board, tenant)
) STRICT, WITHOUT ROWID;

-- The one code by which somebody can become owner, in the default board: only its hash, and how often it was missed.
CREATE TABLE pairing (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    hash       TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    misses     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- When each person last tried a code. In the default board.
CREATE TABLE pairing_tries (
    person TEXT PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what from where on this board, and who was refused. Never what anybody said.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    person  TEXT NOT NULL,
    place   TEXT NOT NULL,
    road    TEXT NOT NULL,
    verb    TEXT NOT NULL,
    task_id TEXT,
    board   TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_task ON audit (task_id) WHERE task_id IS NOT NULL;
