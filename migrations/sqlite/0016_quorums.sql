-- Tasks that start when some of their parents are done, and not only when all of them have ended.

CREATE TABLE quorums (
    task_id      TEXT PRIMARY KEY REFERENCES tasks (id),
    -- So many parents are to be done.
    needed       INTEGER NOT NULL CHECK (needed > 0),
    -- Whether the parents that are open then are cancelled.
    cancels_rest INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
