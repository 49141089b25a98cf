-- The turns of threads' resident agents, and the sessions of agents that go on.

-- A message that waits for the thread's agent, and what became of it. In the default board.
CREATE TABLE turns (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id      INTEGER NOT NULL REFERENCES threads (id),
    -- What brought the message, and what its platform needs in order to answer in place.
    update_id      TEXT NOT NULL,
    return_address TEXT,
    -- Who said it, as JSON: what they may do is looked at again when the turn begins.
    author         TEXT NOT NULL,
    profile        TEXT NOT NULL,
    text           TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN
        ('queued', 'running', 'done', 'failed', 'interrupted', 'cancelled', 'refused', 'lost')),
    -- By whom its end was asked for while it ran: `agent` where a newer message takes its place.
    stopped_by     TEXT,
    session        TEXT,
    queued_at      INTEGER NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER,
    -- The key of the post that tells what became of it.
    answer         TEXT,
    CHECK ((ended_at IS NULL) = (state IN ('queued', 'running'))),
    CHECK (state <> 'running' OR started_at IS NOT NULL)
) STRICT;

CREATE INDEX turns_open ON turns (thread_id, id) WHERE ended_at IS NULL;
CREATE INDEX turns_not_over ON turns (id) WHERE ended_at IS NULL;
-- One at a time in a thread.
CREATE UNIQUE INDEX turns_running ON turns (thread_id) WHERE state = 'running';
CREATE INDEX turns_of_thread ON turns (thread_id, id) WHERE started_at IS NOT NULL;

-- The session in which a profile talks in a thread.
CREATE TABLE sessions (
    thread_id INTEGER NOT NULL REFERENCES threads (id),
    profile   TEXT NOT NULL,
    session   TEXT NOT NULL,
    -- Whether a turn of it has ended well, so that the agent knows it: 0 or 1.
    has_begun INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (thread_id, profile)
) STRICT, WITHOUT ROWID;

-- The agent's session that the run was a part of.
ALTER TABLE runs ADD COLUMN session TEXT;
