-- What was brought in from another system: which of its rows are here already, and as what.

CREATE TABLE arrivals (
    -- task, link, run, comment, event, attachment or watch.
    kind     TEXT NOT NULL,
    -- What tells the row from the others of its kind, made of what it says and never of its number, which moves.
    key      TEXT NOT NULL,
    -- Its task here; the child's for a link.
    task_id  TEXT NOT NULL,
    -- Its number here; of a task, the number of the latest event that it had when it was last taken in.
    local_id INTEGER,
    -- What the row said when it was last taken in.
    digest   TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
