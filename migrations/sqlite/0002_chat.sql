-- Platforms with native clients: posts as blocks, attempts in doubt, urgency, and requests that are kept before they are acted on.

CREATE TABLE deliveries_with_doubt (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id      INTEGER NOT NULL REFERENCES threads (id),
    task_id        TEXT,
    event          TEXT,
    post           TEXT NOT NULL,
    actions        TEXT,
    -- What has not arrived is superseded when a newer edit of the same message is owed.
    state          TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'superseded', 'dead')),
    urgency        INTEGER NOT NULL DEFAULT 2,
    -- The message that it edits.
    edits          TEXT,
    attempts       INTEGER NOT NULL DEFAULT 0,
    parts_sent     INTEGER NOT NULL DEFAULT 0,
    -- When the first attempt began of which it is not known whether it arrived.
    in_doubt_since INTEGER,
    next_at        INTEGER NOT NULL,
    message        TEXT,
    error          TEXT,
    created_at     INTEGER NOT NULL,
    sent_at        INTEGER
) STRICT;

INSERT INTO deliveries_with_doubt (id, thread_id, task_id, event, post, actions, state, urgency, edits, attempts, parts_sent, next_at, message, error, created_at, sent_at)
SELECT id, thread_id, task_id, event,
    json_set(json_remove(post, '$.text'),
        '$.body', json_array(json_object('text', json_extract(post, '$.text'))),
        '$.urgency', CASE json_extract(post, '$.kind') WHEN 'reply' THEN 'reply' WHEN 'edit' THEN 'card' ELSE 'news' END),
    actions, state,
    CASE json_extract(post, '$.kind') WHEN 'reply' THEN 0 WHEN 'edit' THEN 3 ELSE 2 END,
    CASE json_extract(post, '$.kind') WHEN 'edit' THEN json_extract(post, '$.message') END,
    attempts, parts_sent, next_at, message, error, created_at, sent_at
FROM deliveries;

-- The key of a delivery must not be given out twice, also where the newest ones were cleared away.
DELETE FROM sqlite_sequence WHERE name = 'deliveries_with_doubt';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'deliveries_with_doubt', seq FROM sqlite_sequence WHERE name = 'deliveries';

DROP TABLE deliveries;
ALTER TABLE deliveries_with_doubt RENAME TO deliveries;

CREATE INDEX deliveries_owed ON deliveries (thread_id, urgency, id) WHERE state = 'queued';
CREATE INDEX deliveries_by_message ON deliveries (message) WHERE message IS NOT NULL;
CREATE INDEX deliveries_by_task ON deliveries (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX deliveries_of_edits ON deliveries (edits) WHERE edits IS NOT NULL;

-- The messages of a long post but the last one.
CREATE TABLE delivery_parts (
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    message     TEXT NOT NULL,
    PRIMARY KEY (message, delivery_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX delivery_parts_of ON delivery_parts (delivery_id);

-- A request waits (no receipt yet) until it is acted on; a worker's call is acted on at once.
CREATE TABLE inbox_with_requests (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    platform   TEXT NOT NULL,
    update_id  TEXT NOT NULL,
    request    TEXT,
    receipt    TEXT,
    created_at INTEGER NOT NULL,
    CHECK ((request IS NULL) <> (receipt IS NULL))
) STRICT;

INSERT INTO inbox_with_requests (platform, update_id, receipt, created_at)
SELECT platform, update_id, receipt, created_at FROM inbox ORDER BY created_at;

DROP TABLE inbox;
ALTER TABLE inbox_with_requests RENAME TO inbox;

CREATE UNIQUE INDEX inbox_once ON inbox (platform, update_id);
CREATE INDEX inbox_waiting ON inbox (id) WHERE receipt IS NULL;

-- Until when the platform wants nothing more there.
ALTER TABLE threads ADD COLUMN closed_until INTEGER;

-- How far each stream of a platform has been read.
CREATE TABLE positions (
    platform TEXT NOT NULL,
    stream   TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (platform, stream)
) STRICT, WITHOUT ROWID;

-- People whom nobody has let in, and who were told so.
CREATE TABLE strangers (
    person  TEXT PRIMARY KEY,
    told_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
