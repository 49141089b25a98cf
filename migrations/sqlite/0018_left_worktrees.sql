-- Worktrees of tasks that were deleted, until they are removed: nothing else says that they were made for us.

CREATE TABLE left_worktrees (
    path    TEXT PRIMARY KEY,
    task_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
