//! Every SQL statement of the board, once, in the words that SQLite and PostgreSQL share.
//!
//! Columns are always named: after another process adds a column, a cached `SELECT *` breaks the connection.

macro_rules! task {
    () => {
        "id, title, body, assignee, status, priority, tenant, workspace_kind, workspace_path, branch_name, project_id, \
         skills, goal_mode, goal_max_turns, max_retries, max_runtime_seconds, idempotency_key, session_id, \
         workflow_template_id, current_step_key, created_by, creator_run, created_at, started_at, completed_at, result, \
         current_run, failures, last_error, block_kind, block_reason, block_recurrences, parents_waived, not_before, \
         max_total_seconds, max_cost, cost, worked_ms"
    };
}

macro_rules! run {
    () => {
        "id, task_id, attempt, profile, step_key, token_hash, holder, claim_expires, workspace, worker_pid, \
         worker_start_time, boot_id, max_runtime_seconds, last_heartbeat_at, heartbeat_note, started_at, ended_at, \
         outcome, ended_by, summary, metadata, error, review, session, session_known, resumed_after, cost, worker_ended_at"
    };
}

macro_rules! event {
    () => {
        "id, task_id, run_id, kind, payload, created_at"
    };
}

macro_rules! review {
    () => {
        "id, task_id, run_id, profile, holder, reviewer, event_id, asked_by, asked_at, verdict, decided_by, by_worker, decided_at"
    };
}

macro_rules! schedule {
    () => {
        "id, rule, zone, command, missed, overlaps, tenant, thread_id, maker, author, paused_by, created_at, seen_until, \
         next_at, error"
    };
}

macro_rules! question {
    () => {
        "id, task_id, text, hint, choices, asked_at, answered_at, answered_by, answer, closed_at"
    };
}

/// The filters of `list`, shared by its orders. `$1` status, `$2` whether archived tasks are shown, `$3` the assignee, empty
/// for tasks of nobody.
macro_rules! listed {
    () => {
        "(CAST($3 AS TEXT) IS NULL OR coalesce(assignee, '') = $3) AND (CAST($4 AS TEXT) IS NULL OR tenant = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR session_id = $5) AND (CAST($6 AS TEXT) IS NULL OR workflow_template_id = $6) \
         AND (CAST($7 AS TEXT) IS NULL OR current_step_key = $7)"
    };
}

/// One order of `list`: a keyset page that begins behind task `$8`, of at most `$9` rows.
macro_rules! list_by {
    ($($key:literal),+) => {
        concat!(
            "SELECT ", task!(), " FROM tasks WHERE (CAST($1 AS TEXT) IS NULL OR status = $1) \
             AND (status <> 'archived' OR CAST($2 AS BIGINT) = 1) AND ", listed!(),
            " AND (CAST($8 AS TEXT) IS NULL OR (", list_by!(@keys $($key),+), ") > (SELECT ", list_by!(@keys $($key),+),
            " FROM tasks WHERE id = $8)) ORDER BY ", list_by!(@keys $($key),+), " LIMIT $9"
        )
    };
    (@keys $first:literal $(, $key:literal)*) => { concat!($first $(, ", ", $key)*) };
}

/// A task that something may be wrong with, and how often and when the signs of it were seen.
macro_rules! symptom {
    ($count:literal, $first:literal, $last:literal, $run:literal) => {
        concat!(
            "SELECT tasks.id AS task_id, tasks.title, tasks.status, tasks.assignee, tasks.failures, tasks.last_error, \
             tasks.block_reason, tasks.not_before, tasks.workspace_kind, tasks.workspace_path, \
             CAST(",
            $count,
            " AS BIGINT) AS times, CAST(",
            $first,
            " AS BIGINT) AS first_at, \
             CAST(",
            $last,
            " AS BIGINT) AS last_at, CAST(",
            $run,
            " AS BIGINT) AS run_id FROM tasks "
        )
    };
}

/// Tasks that may still move.
macro_rules! live {
    () => {
        "tasks.status IN ('triage', 'todo', 'scheduled', 'ready', 'running', 'blocked', 'review')"
    };
}

/// A watch with its thread.
macro_rules! watch {
    () => {
        "SELECT watches.id, watches.task_id, platform, space, channel, thread, assignee, tenant, kinds, policy, reason, user_id, \
         since_event, watches.created_at, parked_reason FROM watches JOIN threads ON threads.id = watches.thread_id "
    };
}

/// A turn with its thread.
macro_rules! turn {
    () => {
        "SELECT turns.id, thread_id, platform, space, channel, thread, update_id, return_address, author, profile, text, \
         state, stopped_by, session, queued_at, started_at FROM turns JOIN threads ON threads.id = turns.thread_id "
    };
}

/// Whether a task waits for some of its parents alone, and so many are done.
macro_rules! has_quorum {
    ($task:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM quorums WHERE quorums.task_id = ",
            $task,
            " AND needed <= (SELECT count(*) FROM links AS ways JOIN tasks AS ended ON ended.id = ways.parent_id \
             WHERE ways.child_id = quorums.task_id AND ended.status IN ('done', 'archived') AND ended.completed_at IS NOT NULL))"
        )
    };
}

/// Declares statements, and `ALL` of them for the test that prepares each.
macro_rules! statements {
    ($($name:ident = $($part:expr),* ;)*) => {
        $(pub(crate) const $name: &str = concat!($($part),*);)*
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

statements! {
    // Tasks
    TASK = "SELECT ", task!(), " FROM tasks WHERE id = $1";
    // With what decides on a claim, so that nothing else has to be asked.
    TASK_TO_CLAIM = "SELECT ", task!(), ", CAST(CASE WHEN EXISTS (SELECT 1 FROM tasks parent WHERE parent.id IN \
        (SELECT parent_id FROM links WHERE child_id = $1) AND parent.status NOT IN ('done', 'archived')) AND NOT ", has_quorum!("$1"), " THEN 1 ELSE 0 END AS BIGINT) \
        AS waits FROM tasks WHERE id = $1";
    TASK_BY_KEY = "SELECT ", task!(), " FROM tasks WHERE idempotency_key = $1 AND status <> 'archived'";
    INSERT_TASK = "INSERT INTO tasks (id, title, body, assignee, status, priority, tenant, workspace_kind, workspace_path, \
        branch_name, project_id, skills, goal_mode, goal_max_turns, max_retries, max_runtime_seconds, idempotency_key, \
        session_id, created_by, creator_run, created_at, block_kind, block_reason, not_before) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24) \
        ON CONFLICT (id) DO NOTHING";
    PAGE_OF_BOARD = "SELECT ", task!(), " FROM tasks WHERE status <> 'archived' ORDER BY priority DESC, created_at, id LIMIT $1";
    PAGE_OF_STATUS = "SELECT ", task!(), " FROM tasks WHERE status = $1 ORDER BY priority DESC, created_at, id LIMIT $2";
    LIST_BY_PRIORITY = list_by!("-priority", "created_at", "id");
    LIST_BY_PRIORITY_DESC = list_by!("priority", "created_at", "id");
    LIST_BY_CREATED = list_by!("created_at", "id");
    LIST_BY_CREATED_DESC = list_by!("-created_at", "id");
    LIST_BY_STATUS = list_by!("status", "-priority", "created_at", "id");
    LIST_BY_ASSIGNEE = list_by!("coalesce(assignee, '')", "-priority", "created_at", "id");
    LIST_BY_TITLE = list_by!("title", "id");
    LIST_BY_UPDATED = list_by!("-coalesce(started_at, 0)", "created_at", "id");
    SET_STATUS = "UPDATE tasks SET status = $2 WHERE id = $1";
    SET_ASSIGNEE = "UPDATE tasks SET assignee = $2, failures = CASE WHEN assignee IS NOT DISTINCT FROM $2 THEN failures ELSE 0 END, \
        not_before = CASE WHEN status = 'ready' AND assignee IS DISTINCT FROM $2 \
        AND NOT EXISTS (SELECT 1 FROM incoming WHERE task_id = $1 AND state = 'waiting') THEN NULL ELSE not_before END WHERE id = $1";
    SET_DONE = "UPDATE tasks SET status = 'done', result = coalesce($2, result), completed_at = $3, current_run = NULL, \
        failures = 0, last_error = NULL, block_kind = NULL, block_reason = NULL, block_recurrences = 0, not_before = NULL WHERE id = $1 RETURNING ", task!(), ", \
        CAST(CASE WHEN EXISTS (SELECT 1 FROM links WHERE parent_id = $1) THEN 1 ELSE 0 END AS BIGINT) AS is_parent";
    SET_IN_REVIEW = "UPDATE tasks SET status = 'review', result = coalesce($2, result), current_run = NULL, failures = 0, \
        last_error = NULL, block_kind = NULL, block_reason = NULL, block_recurrences = 0, not_before = NULL WHERE id = $1";
    SET_RESULT = "UPDATE tasks SET result = $2 WHERE id = $1";
    SET_BLOCKED = "UPDATE tasks SET status = $2, current_run = NULL, block_kind = $3, block_reason = $4, \
        block_recurrences = $5, not_before = NULL WHERE id = $1";
    SET_RELEASED = "UPDATE tasks SET status = $2, failures = 0, last_error = NULL, not_before = NULL, \
        parents_waived = CASE WHEN CAST($3 AS BIGINT) = 1 THEN 1 ELSE parents_waived END WHERE id = $1";
    SET_SCHEDULED = "UPDATE tasks SET status = 'scheduled', current_run = NULL, not_before = $2 WHERE id = $1";
    SET_RECLAIMED = "UPDATE tasks SET status = $2, current_run = NULL, failures = 0, last_error = NULL, \
        not_before = NULL WHERE id = $1";
    SET_AFTER_ATTEMPT = "UPDATE tasks SET status = $2, current_run = NULL, failures = $3, last_error = $4, not_before = $5, \
        block_reason = CASE WHEN $2 = 'blocked' THEN $4 ELSE block_reason END, \
        block_kind = CASE WHEN $2 = 'blocked' THEN NULL ELSE block_kind END, \
        block_recurrences = CASE WHEN $2 = 'blocked' THEN 0 ELSE block_recurrences END WHERE id = $1";
    SET_ARCHIVED = "UPDATE tasks SET status = 'archived', current_run = NULL, not_before = NULL WHERE id = $1";
    SET_WORKSPACE = "UPDATE tasks SET workspace_path = $2 WHERE id = $1";
    SET_BUDGET = "UPDATE tasks SET max_total_seconds = $2, max_cost = $3 WHERE id = $1";
    ADD_COST = "UPDATE tasks SET cost = cost + $2 WHERE id = $1";
    ADD_RUN_COST = "UPDATE runs SET cost = cost + $2 WHERE id = $1";
    ADD_WORK = "UPDATE tasks SET worked_ms = worked_ms + $2 WHERE id = $1";
    SET_WORKER_ENDED = "UPDATE runs SET worker_ended_at = $2 WHERE id = $1 AND ended_at IS NULL AND worker_ended_at IS NULL";
    DELETE_TASK = "DELETE FROM tasks WHERE id = $1";
    COUNTS = "SELECT status, assignee, CAST(count(*) AS BIGINT) FROM tasks WHERE status <> 'archived' GROUP BY status, assignee \
        ORDER BY status, assignee";
    // By assignee, from the index alone.
    WAITING = "SELECT status, assignee, CAST(count(*) AS BIGINT) FROM tasks \
        WHERE status IN ('triage', 'todo', 'scheduled', 'ready', 'blocked', 'review') GROUP BY status, assignee";
    // Questions, spent budgets, and whatever else was given up; $1 is how the reason of a spent budget begins.
    HELD = "SELECT status, CAST(coalesce(sum(CASE WHEN block_kind = 'needs_input' THEN 1 ELSE 0 END), 0) AS BIGINT) AS questions, \
        CAST(coalesce(sum(CASE WHEN last_error = block_reason AND substr(block_reason, 1, length($1)) = $1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS spent, \
        CAST(coalesce(sum(CASE WHEN last_error = block_reason THEN 1 ELSE 0 END), 0) AS BIGINT) AS given_up \
        FROM tasks WHERE status IN ('blocked', 'triage') GROUP BY status";
    OLDEST_READY = "SELECT CAST(min(created_at) AS BIGINT) FROM tasks WHERE status = 'ready'";
    // Runs that ended, by how.
    OUTCOMES = "SELECT outcome, CAST(count(*) AS BIGINT) FROM runs WHERE outcome IS NOT NULL GROUP BY outcome ORDER BY outcome";
    // Among other events of a task, those that leave it where it is.
    COULD_START_SINCE = "SELECT CAST(max(created_at) AS BIGINT) FROM events WHERE task_id = $1 \
        AND id < (SELECT min(id) FROM events WHERE task_id = $1 AND run_id = $2) \
        AND kind NOT IN ('commented', 'attached', 'attachment_removed', 'claim_rejected', 'heartbeat', 'edited', 'linked', 'directory_gone')";
    OWED_BY_PLATFORM = "SELECT threads.platform, CAST(count(*) AS BIGINT), \
        CAST(coalesce(sum(CASE WHEN deliveries.attempts > 0 THEN 1 ELSE 0 END), 0) AS BIGINT), \
        CAST(min(deliveries.created_at) AS BIGINT) FROM deliveries JOIN threads ON threads.id = deliveries.thread_id \
        WHERE deliveries.state = 'queued' GROUP BY threads.platform ORDER BY threads.platform";
    TURNS_BY_PLATFORM = "SELECT threads.platform, CAST(count(*) AS BIGINT) FROM turns JOIN threads ON threads.id = turns.thread_id \
        WHERE turns.ended_at IS NULL GROUP BY threads.platform ORDER BY threads.platform";
    CREATED_BY_RUNS_OF = "SELECT id FROM tasks WHERE id = $1 AND creator_run IN (SELECT id FROM runs WHERE task_id = $2)";
    DUE = "SELECT ", task!(), " FROM tasks WHERE not_before IS NOT NULL AND not_before <= $1 AND status = 'scheduled' ORDER BY not_before, id";
    SOMETHING_DUE = "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM tasks WHERE not_before <= $1 AND status = 'scheduled') \
        OR EXISTS (SELECT 1 FROM runs WHERE ended_at IS NULL AND claim_expires <= $1) THEN 1 ELSE 0 END AS BIGINT)";
    NEXT_ALARM = "SELECT CAST(min(at) AS BIGINT) FROM (SELECT min(not_before) AS at FROM tasks WHERE not_before > $1 \
        UNION ALL SELECT min(claim_expires) FROM runs WHERE ended_at IS NULL \
        UNION ALL SELECT min(until) FROM parked_profiles WHERE until > $1) AS alarms";
    OPEN_TASKS_OF = "SELECT ", task!(), " FROM tasks WHERE status NOT IN ('done', 'archived') \
        AND (created_by = $1 OR substr(created_by, 1, length($1) + 2) = $1 || ' (') ORDER BY priority DESC, created_at, id LIMIT 20";
    SUGGEST_TASKS = "SELECT ", task!(), " FROM tasks WHERE status <> 'archived' AND (id LIKE $1 OR lower(title) LIKE $2) \
        ORDER BY CASE WHEN status = 'done' THEN 1 ELSE 0 END, created_at DESC LIMIT 25";
    TENANTS = "SELECT DISTINCT tenant FROM tasks WHERE tenant IS NOT NULL ORDER BY tenant LIMIT 100";

    // Starting
    TO_START = "SELECT ", task!(), " FROM tasks WHERE status = 'ready' AND assignee = $1 \
        AND (not_before IS NULL OR not_before <= $2) ORDER BY priority DESC, created_at, id LIMIT $3 OFFSET $4";
    // Steps from one assignee to the next instead of looking at every ready task.
    READY_ASSIGNEES = "WITH RECURSIVE ready (assignee) AS (SELECT min(assignee) FROM tasks WHERE status = 'ready' \
        UNION ALL SELECT (SELECT min(assignee) FROM tasks WHERE status = 'ready' AND tasks.assignee > ready.assignee) \
        FROM ready WHERE ready.assignee IS NOT NULL) SELECT assignee FROM ready WHERE assignee IS NOT NULL";
    READY_UNASSIGNED = "SELECT ", task!(), " FROM tasks WHERE status = 'ready' AND assignee IS NULL ORDER BY priority DESC, created_at, id LIMIT $1";
    SET_RUNNING = "UPDATE tasks SET status = 'running', current_run = $2, started_at = coalesce(started_at, $3), \
        not_before = NULL WHERE id = $1 AND status = 'ready' AND current_run IS NULL";
    INSERT_RUN = "INSERT INTO runs (task_id, attempt, profile, step_key, token_hash, holder, claim_expires, max_runtime_seconds, started_at) \
        VALUES ($1, (SELECT 1 + coalesce(max(attempt), 0) FROM runs WHERE task_id = $1), $2, $3, $4, $5, $6, $7, $8) RETURNING ", run!();
    INSERT_CLOSED_RUN = "INSERT INTO runs (task_id, attempt, profile, token_hash, holder, started_at, ended_at, outcome, ended_by, summary, metadata) \
        VALUES ($1, (SELECT 1 + coalesce(max(attempt), 0) FROM runs WHERE task_id = $1), $2, '', $3, $4, $4, $5, $6, $7, $8) RETURNING ", run!();

    // What is brought in from another system
    ARRIVALS = "SELECT kind, key, task_id, local_id, digest FROM arrivals";
    NOTE_ARRIVAL = "INSERT INTO arrivals (kind, key, task_id, local_id, digest) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (kind, key) DO UPDATE SET task_id = excluded.task_id, local_id = excluded.local_id, digest = excluded.digest";
    MARK_ARRIVED = "UPDATE arrivals SET local_id = (SELECT coalesce(CAST(max(id) AS BIGINT), 0) FROM events WHERE task_id = $1) \
        WHERE kind = 'task' AND task_id = $1";
    PUT_TASK = "INSERT INTO tasks (id, title, body, assignee, status, priority, tenant, workspace_kind, workspace_path, \
        branch_name, project_id, skills, goal_mode, goal_max_turns, max_retries, max_runtime_seconds, idempotency_key, \
        session_id, workflow_template_id, current_step_key, created_by, created_at, started_at, completed_at, result, \
        failures, last_error, block_kind, block_reason, block_recurrences, parents_waived) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
        $24, $25, $26, $27, $28, $29, $30, $31) ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body, \
        assignee = excluded.assignee, status = excluded.status, priority = excluded.priority, tenant = excluded.tenant, \
        workspace_kind = excluded.workspace_kind, workspace_path = excluded.workspace_path, branch_name = excluded.branch_name, \
        project_id = excluded.project_id, skills = excluded.skills, goal_mode = excluded.goal_mode, \
        goal_max_turns = excluded.goal_max_turns, max_retries = excluded.max_retries, \
        max_runtime_seconds = excluded.max_runtime_seconds, idempotency_key = excluded.idempotency_key, \
        session_id = excluded.session_id, workflow_template_id = excluded.workflow_template_id, \
        current_step_key = excluded.current_step_key, started_at = excluded.started_at, completed_at = excluded.completed_at, \
        result = excluded.result, failures = excluded.failures, last_error = excluded.last_error, \
        block_kind = excluded.block_kind, block_reason = excluded.block_reason, \
        block_recurrences = excluded.block_recurrences, parents_waived = excluded.parents_waived, not_before = NULL";
    PUT_RUN = "INSERT INTO runs (task_id, attempt, profile, step_key, token_hash, holder, max_runtime_seconds, last_heartbeat_at, \
        started_at, ended_at, outcome, summary, metadata, error) \
        VALUES ($1, (SELECT 1 + coalesce(max(attempt), 0) FROM runs WHERE task_id = $1), $2, $3, '', $4, $5, $6, $7, $8, $9, $10, $11, $12) \
        RETURNING id";
    PUT_RUN_AGAIN = "UPDATE runs SET profile = $2, step_key = $3, max_runtime_seconds = $4, last_heartbeat_at = $5, ended_at = $6, \
        outcome = $7, summary = $8, metadata = $9, error = $10 WHERE id = $1";
    PUT_COMMENT = "INSERT INTO comments (task_id, author, body, created_at) VALUES ($1, $2, $3, $4) RETURNING id";
    PUT_EVENT = "INSERT INTO events (task_id, run_id, kind, payload, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id";
    ALL_LINKS = "SELECT parent_id, child_id FROM links ORDER BY parent_id, child_id";

    // Reviews
    OPEN_REVIEW = "SELECT ", review!(), " FROM reviews WHERE task_id = $1 AND verdict IS NULL";
    LAST_REVIEW = "SELECT ", review!(), " FROM reviews WHERE task_id = $1 ORDER BY id DESC LIMIT 1";
    INSERT_REVIEW = "INSERT INTO reviews (task_id, run_id, profile, holder, reviewer, asked_by, asked_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ", review!();
    SET_REVIEW_EVENT = "UPDATE reviews SET event_id = $2 WHERE id = $1";
    SET_REVIEWER = "UPDATE reviews SET reviewer = $2 WHERE id = $1 RETURNING ", review!();
    SET_VERDICT = "UPDATE reviews SET verdict = $2, decided_by = $3, by_worker = $4, decided_at = $5 WHERE id = $1 AND verdict IS NULL";
    // How often workers have sent the work back since a person decided last.
    ROUNDS_OF_WORKERS = "SELECT CAST(count(*) AS BIGINT) FROM reviews WHERE task_id = $1 AND verdict = 'changes' AND by_worker = 1 \
        AND id > coalesce((SELECT max(id) FROM reviews WHERE task_id = $1 AND verdict IS NOT NULL AND by_worker = 0), 0)";
    TO_REVIEW = "SELECT ", task!(), " FROM tasks WHERE status = 'review' \
        AND id IN (SELECT task_id FROM reviews WHERE verdict IS NULL AND reviewer = $1) \
        AND (not_before IS NULL OR not_before <= $2) ORDER BY priority DESC, created_at, id LIMIT $3 OFFSET $4";
    SET_REVIEWING = "UPDATE tasks SET status = 'running', current_run = $2, not_before = NULL \
        WHERE id = $1 AND status = 'review' AND current_run IS NULL";
    SET_RUN_REVIEW = "UPDATE runs SET review = $2 WHERE id = $1 RETURNING ", run!();
    // The attempt is completed with the approval, and is what children and corrections go by.
    SET_RUN_COMPLETED = "UPDATE runs SET outcome = 'completed' WHERE id = $1 AND outcome = 'in_review' RETURNING ", run!();
    DELIVERIES_OF_EVENT = "SELECT DISTINCT delivery_id FROM buttons WHERE event_id = $1 AND pressed_at IS NULL ORDER BY delivery_id";
    DELETE_REVIEWS_OF = "DELETE FROM reviews WHERE task_id = $1";

    // Runs
    RUN = "SELECT ", run!(), " FROM runs WHERE id = $1";
    RUNS_OF = "SELECT ", run!(), " FROM runs WHERE task_id = $1 ORDER BY id";
    OPEN_RUNS = "SELECT ", run!(), " FROM runs WHERE ended_at IS NULL ORDER BY id";
    LAST_OUTCOMES = "SELECT outcome FROM runs WHERE task_id = $1 AND ended_at IS NOT NULL ORDER BY id DESC LIMIT $2";
    LATEST_SUMMARY = "SELECT summary FROM runs WHERE task_id = $1 AND summary IS NOT NULL AND review IS NULL \
        ORDER BY id DESC LIMIT 1";
    END_RUN = "UPDATE runs SET ended_at = $2, outcome = $3, ended_by = $4, summary = coalesce($5, summary), \
        metadata = coalesce($6, metadata), error = coalesce($7, error), claim_expires = NULL WHERE id = $1 AND ended_at IS NULL RETURNING ", run!();
    RUN_STARTED = "UPDATE runs SET worker_pid = $2, worker_start_time = $3, boot_id = $4 WHERE id = $1 AND ended_at IS NULL \
        AND worker_pid IS NULL";
    WORKTREES = "SELECT DISTINCT tasks.id, tasks.status, runs.workspace FROM tasks JOIN runs ON runs.task_id = tasks.id \
        WHERE tasks.workspace_kind = 'worktree' AND runs.workspace IS NOT NULL ORDER BY tasks.id, runs.workspace";
    LEAVE_WORKTREES_OF = "INSERT INTO left_worktrees (path, task_id) SELECT DISTINCT runs.workspace, runs.task_id \
        FROM runs JOIN tasks ON tasks.id = runs.task_id \
        WHERE runs.task_id = $1 AND tasks.workspace_kind = 'worktree' AND runs.workspace IS NOT NULL \
        ON CONFLICT (path) DO UPDATE SET task_id = excluded.task_id";
    LEFT_WORKTREES = "SELECT task_id, path FROM left_worktrees ORDER BY task_id, path";
    FORGET_WORKTREE = "DELETE FROM left_worktrees WHERE path = $1";
    RUN_WORKSPACE = "UPDATE runs SET workspace = $2 WHERE id = $1";
    HEARTBEAT = "UPDATE runs SET last_heartbeat_at = $2, heartbeat_note = coalesce($3, heartbeat_note), \
        claim_expires = CASE WHEN claim_expires < $4 THEN $4 ELSE claim_expires END WHERE id = $1 AND ended_at IS NULL";
    EXPIRED_CLAIMS = "SELECT ", run!(), " FROM runs WHERE ended_at IS NULL AND claim_expires IS NOT NULL AND claim_expires <= $1";
    LAST_COMPLETED_RUN = "SELECT ", run!(), " FROM runs WHERE task_id = $1 AND outcome = 'completed' ORDER BY id DESC LIMIT 1";
    SET_RUN_RESULT = "UPDATE runs SET summary = coalesce($2, summary), metadata = coalesce($3, metadata) WHERE id = $1";
    RECENT_BY_PROFILE = "SELECT ", run!(), " FROM runs WHERE id IN (SELECT id FROM runs WHERE profile = $1 AND outcome = 'completed' AND task_id <> $2 \
        ORDER BY id DESC LIMIT 500) AND EXISTS (SELECT 1 FROM tasks WHERE tasks.id = runs.task_id AND tasks.tenant IS NOT DISTINCT FROM $3) ORDER BY id DESC LIMIT 5";

    // Graph
    INSERT_LINK = "INSERT INTO links (parent_id, child_id) VALUES ($1, $2) ON CONFLICT (parent_id, child_id) DO NOTHING";
    DELETE_LINK = "DELETE FROM links WHERE parent_id = $1 AND child_id = $2";
    PARENTS = "SELECT parent_id FROM links WHERE child_id = $1 ORDER BY parent_id";
    CHILDREN = "SELECT child_id FROM links WHERE parent_id = $1 ORDER BY child_id";
    OPEN_PARENTS = "SELECT id FROM tasks WHERE id IN (SELECT parent_id FROM links WHERE child_id = $1) \
        AND status NOT IN ('done', 'archived') AND NOT ", has_quorum!("$1"), " ORDER BY id";
    PARENT_ENDED_SINCE = "SELECT 1 FROM links JOIN events ON events.task_id = links.parent_id WHERE links.child_id = $1 \
        AND events.kind IN ('completed', 'cancelled', 'archived') AND events.id > \
        (SELECT max(id) FROM events WHERE task_id = $1 AND run_id = $2 AND kind = 'claimed') LIMIT 1";
    REACHES = "WITH RECURSIVE below (id) AS (SELECT child_id FROM links WHERE parent_id = $1 \
        UNION SELECT links.child_id FROM links JOIN below ON links.parent_id = below.id) SELECT id FROM below WHERE id = $2";
    PROMOTE_CHILDREN = "UPDATE tasks SET status = 'ready' WHERE status = 'todo' \
        AND id IN (SELECT child_id FROM links WHERE parent_id = $1) AND (NOT EXISTS ( \
            SELECT 1 FROM links JOIN tasks parent ON parent.id = links.parent_id \
            WHERE links.child_id = tasks.id AND parent.status NOT IN ('done', 'archived')) OR ", has_quorum!("tasks.id"), ") RETURNING id";
    QUORUM = "SELECT needed, cancels_rest FROM quorums WHERE task_id = $1";
    INSERT_QUORUM = "INSERT INTO quorums (task_id, needed, cancels_rest) VALUES ($1, $2, $3)";
    DELETE_QUORUM_OF = "DELETE FROM quorums WHERE task_id = $1";
    // The open parents that end with a quorum; what other open tasks wait for goes on.
    REST_OF_QUORUM = "SELECT ", task!(), " FROM tasks WHERE id IN (SELECT parent_id FROM links WHERE child_id = $1) \
        AND status NOT IN ('done', 'archived') AND EXISTS (SELECT 1 FROM quorums WHERE task_id = $1 AND cancels_rest = 1) \
        AND NOT EXISTS (SELECT 1 FROM links JOIN tasks other ON other.id = child_id \
            WHERE parent_id = tasks.id AND child_id <> $1 AND other.status NOT IN ('done', 'archived')) ORDER BY id";

    // Comments, events, attachments
    INSERT_COMMENT = "INSERT INTO comments (task_id, author, body, created_at) VALUES ($1, $2, $3, $4)";
    COMMENTS = "SELECT id, task_id, author, body, created_at FROM comments WHERE task_id = $1 ORDER BY id";
    LAST_COMMENTS = "SELECT id, task_id, author, body, created_at FROM comments WHERE task_id = $1 ORDER BY id DESC LIMIT $2";
    COUNT_COMMENTS = "SELECT CAST(count(*) AS BIGINT) FROM comments WHERE task_id = $1";
    INSERT_EVENT = "INSERT INTO events (task_id, run_id, kind, payload, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING ", event!(), ", \
        CAST(CASE WHEN EXISTS (SELECT 1 FROM watches WHERE watches.task_id = $1 OR watches.task_id IS NULL) THEN 1 ELSE 0 END AS BIGINT) \
        AS is_followed, CAST(CASE WHEN EXISTS (SELECT 1 FROM cards) THEN 1 ELSE 0 END AS BIGINT) AS has_cards";
    EVENTS_OF = "SELECT ", event!(), " FROM events WHERE task_id = $1 ORDER BY id";
    EVENTS_OF_SINCE = "SELECT ", event!(), " FROM events WHERE task_id = $1 AND id > $2 ORDER BY id LIMIT 200";
    LAST_EVENTS_OF = "SELECT ", event!(), " FROM events WHERE task_id = $1 ORDER BY id DESC LIMIT $2";
    EVENTS_SINCE = "SELECT ", event!(), " FROM events WHERE id > $1 ORDER BY id LIMIT 200";
    LAST_EVENT = "SELECT coalesce(CAST(max(id) AS BIGINT), 0) FROM events";
    DELETE_OLD_EVENTS = "DELETE FROM events WHERE created_at < $1 AND task_id IN (SELECT id FROM tasks WHERE status IN ('done', 'archived'))";
    INSERT_ATTACHMENT = "INSERT INTO attachments (task_id, filename, stored_path, content_type, size, uploaded_by, created_at, run_id) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id, task_id, filename, stored_path, content_type, size, uploaded_by, created_at, run_id";
    ARTIFACTS_OF_RUN = "SELECT id, task_id, filename, stored_path, content_type, size, uploaded_by, created_at, run_id FROM attachments \
        WHERE run_id = $1 ORDER BY id";
    // What the ended parents of a task have handed over.
    ARTIFACTS_OF_PARENTS = "SELECT id, task_id, filename, stored_path, content_type, size, uploaded_by, created_at, run_id FROM attachments \
        WHERE run_id IN (SELECT runs.id FROM runs WHERE runs.id = run_id AND runs.outcome = 'completed') \
        AND task_id IN (SELECT tasks.id FROM links JOIN tasks ON tasks.id = links.parent_id \
        JOIN tasks AS child ON child.id = links.child_id WHERE links.child_id = $1 AND tasks.status IN ('done', 'archived') \
        AND (tasks.tenant IS NULL OR child.tenant IS NULL OR tasks.tenant = child.tenant)) ORDER BY task_id, id";
    FILE_IN_THREAD = "SELECT id FROM deliveries WHERE thread_id = $1 AND task_id = $2 AND event = 'file' AND instr(post, $3) > 0 LIMIT 1";
    ATTACHMENTS = "SELECT id, task_id, filename, stored_path, content_type, size, uploaded_by, created_at, run_id FROM attachments WHERE task_id = $1 ORDER BY id";
    STORED_FILES = "SELECT stored_path FROM attachments";
    ATTACHMENT = "SELECT id, task_id, filename, stored_path, content_type, size, uploaded_by, created_at, run_id FROM attachments WHERE id = $1";
    DELETE_ATTACHMENT = "DELETE FROM attachments WHERE id = $1";
    DELETE_LINKS_OF = "DELETE FROM links WHERE parent_id = $1 OR child_id = $1";
    DELETE_COMMENTS_OF = "DELETE FROM comments WHERE task_id = $1";
    DELETE_EVENTS_OF = "DELETE FROM events WHERE task_id = $1";
    DELETE_RUNS_OF = "DELETE FROM runs WHERE task_id = $1";
    DELETE_INCOMING_OF = "DELETE FROM incoming WHERE task_id = $1";
    INSERT_INCOMING = "INSERT INTO incoming (task_id, thread_id, file, person, holds_until, next_at, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    FILES_DUE = "SELECT incoming.id, incoming.task_id, platform, space, channel, thread, file, person, attempts, incoming.created_at \
        FROM incoming JOIN threads ON threads.id = thread_id WHERE state = 'waiting' AND next_at <= $1 ORDER BY next_at, incoming.id LIMIT $2";
    FILES_EXPECTED = "SELECT incoming.id, incoming.task_id, platform, space, channel, thread, file, person, attempts, incoming.created_at \
        FROM incoming JOIN threads ON threads.id = thread_id WHERE incoming.task_id = $1 AND state = 'waiting' ORDER BY incoming.id";
    NEXT_FILE_DUE = "SELECT min(next_at) FROM incoming WHERE state = 'waiting' AND next_at > $1";
    SETTLE_INCOMING = "UPDATE incoming SET state = $2, error = $3, attempts = attempts + 1 WHERE id = $1 AND state = 'waiting'";
    INCOMING_LATER = "UPDATE incoming SET next_at = $2, error = $3, attempts = attempts + 1 WHERE id = $1 AND state = 'waiting'";
    MOVE_INCOMING = "UPDATE incoming SET thread_id = $2 WHERE thread_id = $1";
    HOLD_FOR_FILES = "UPDATE tasks SET not_before = $2 WHERE id = $1 AND status = 'ready' AND coalesce(not_before, 0) < $2";
    END_HOLD_FOR_FILES = "UPDATE tasks SET not_before = NULL WHERE id = $1 AND status = 'ready' AND not_before IN \
        (SELECT holds_until FROM incoming WHERE task_id = $1) AND NOT EXISTS \
        (SELECT 1 FROM incoming WHERE task_id = $1 AND state = 'waiting' AND id <> $2)";
    DELETE_ATTACHMENTS_OF = "DELETE FROM attachments WHERE task_id = $1";
    DELETE_WATCHES_OF = "DELETE FROM watches WHERE task_id = $1";

    DELETE_SETTLED_DELIVERIES_OF = "DELETE FROM deliveries WHERE task_id = $1 AND state <> 'queued'";

    // Threads and watches
    THREAD_ID = "INSERT INTO threads (platform, space, channel, thread, created_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (platform, space, channel, thread) DO UPDATE SET created_at = threads.created_at RETURNING id, parked_at";
    FIND_THREAD = "SELECT id FROM threads WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4";
    PARK_THREAD = "UPDATE threads SET parked_at = $2, parked_reason = $3 WHERE id = $1";
    REVIVE_THREAD = "UPDATE threads SET parked_at = NULL, parked_reason = NULL WHERE id = $1 AND parked_at IS NOT NULL";
    INSERT_WATCH = "INSERT INTO watches (thread_id, task_id, assignee, tenant, kinds, policy, reason, user_id, since_event, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT coalesce(CAST(max(id) AS BIGINT), 0) FROM events), $9) \
        ON CONFLICT DO NOTHING";
    SET_WATCH = "UPDATE watches SET kinds = $5, policy = $6, reason = $7, user_id = $8 WHERE thread_id = $1 AND coalesce(task_id, '') = coalesce($2, '') \
        AND coalesce(assignee, '') = coalesce($3, '') AND coalesce(tenant, '') = coalesce($4, '')";
    DELETE_WATCH = "DELETE FROM watches WHERE thread_id = $1 AND coalesce(task_id, '') = coalesce($2, '') \
        AND (CAST($3 AS TEXT) IS NULL OR assignee = $3) AND (CAST($4 AS TEXT) IS NULL OR tenant = $4)";
    WATCHES_FOR = "SELECT watches.thread_id, platform, space, channel, thread, kinds, policy FROM watches JOIN threads ON threads.id = watches.thread_id \
        WHERE watches.task_id = $1 AND since_event < $2 UNION ALL \
        SELECT watches.thread_id, platform, space, channel, thread, kinds, policy FROM watches JOIN threads ON threads.id = watches.thread_id \
        WHERE watches.task_id IS NULL AND since_event < $2 AND (assignee IS NULL OR assignee = $3) AND (tenant IS NULL OR tenant = $4)";
    ALL_WATCHES = watch!(), "ORDER BY watches.id";
    // The channel of a task with a thread of its own hears of that task alone.
    INHERIT_WATCHES = "INSERT INTO watches (thread_id, task_id, kinds, policy, reason, user_id, since_event, created_at) \
        SELECT thread_id, $2, kinds, policy, 'parent:' || $1, user_id, (SELECT coalesce(CAST(max(id) AS BIGINT), 0) FROM events), $3 \
        FROM watches WHERE task_id = $1 AND coalesce(policy, '') <> 'ping' ON CONFLICT DO NOTHING";
    FOLLOWERS_OF = "SELECT threads.id, platform, space, channel, thread FROM watches JOIN threads ON threads.id = watches.thread_id \
        WHERE watches.task_id = $1 ORDER BY watches.id";

    // Threads of tasks' own
    INSERT_OWN_THREAD = "INSERT INTO threads (platform, space, channel, thread, task_id, opens_on, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    OWN_THREAD_IN = "SELECT id FROM threads WHERE task_id = $1 AND platform = $2 AND channel = $3";
    TASK_OF_THREAD = "SELECT task_id FROM threads WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4 AND task_id IS NOT NULL";
    FORGET_OWN_THREADS = "UPDATE threads SET task_id = NULL WHERE task_id = $1";
    OPENING = "SELECT platform, space, channel, thread, threads.task_id, opening_since, open_failures, message, tasks.title, tasks.created_by \
        FROM threads LEFT JOIN deliveries ON deliveries.id = opens_on LEFT JOIN tasks ON tasks.id = threads.task_id \
        WHERE threads.id = $1 AND opens_on IS NOT NULL";
    OWN_THREAD = "SELECT task_id, platform, space, channel, thread FROM threads WHERE id = $1 AND task_id IS NOT NULL AND opens_on IS NULL AND thread <> ''";
    TASKS_OF_CARDS_IN = "SELECT task_id FROM cards WHERE thread_id = $1 AND task_id IS NOT NULL ORDER BY id";
    QUESTIONS_SHOWN_IN = "SELECT max(deliveries.id) FROM deliveries JOIN buttons ON buttons.delivery_id = deliveries.id \
        JOIN questions ON questions.id = buttons.question_id WHERE deliveries.thread_id = $1 AND deliveries.state = 'sent' \
        AND deliveries.event = 'blocked' AND edits IS NULL AND pressed_at IS NULL AND answered_at IS NULL AND closed_at IS NULL \
        GROUP BY questions.id ORDER BY questions.id";
    // Answers and edits belong to the thread; of a long post that has arrived in part, all of it is told again.
    MOVE_NEWS = "UPDATE deliveries SET thread_id = $2, parts_sent = 0, in_doubt_since = NULL, attempts = 0, next_at = created_at \
        WHERE thread_id = $1 AND state = 'queued' AND urgency IN (1, 2, 4) AND edits IS NULL";
    BEGIN_OPENING = "UPDATE threads SET opening_since = coalesce(opening_since, $2) WHERE id = $1 AND opens_on IS NOT NULL";
    OPENING_LATER = "UPDATE threads SET opening_since = $2, open_failures = open_failures + $3, closed_until = $4 WHERE id = $1";
    OPENED = "UPDATE threads SET space = $2, channel = $3, thread = $4, opens_on = NULL, opening_since = NULL, closed_until = NULL WHERE id = $1";
    SET_OWNER = "UPDATE threads SET task_id = $2 WHERE id = $1";
    END_PING = "DELETE FROM watches WHERE thread_id = $1 AND task_id = $2 AND policy = 'ping'";
    MOVE_DELIVERIES = "UPDATE deliveries SET thread_id = $2 WHERE thread_id = $1";
    MOVE_WATCHES = "UPDATE watches SET thread_id = $2 WHERE thread_id = $1 AND NOT EXISTS (SELECT 1 FROM watches kept \
        WHERE kept.thread_id = $2 AND coalesce(kept.task_id, '') = coalesce(watches.task_id, '') \
        AND coalesce(kept.assignee, '') = coalesce(watches.assignee, '') AND coalesce(kept.tenant, '') = coalesce(watches.tenant, ''))";
    MOVE_CARDS = "UPDATE cards SET thread_id = $2 WHERE thread_id = $1 AND NOT EXISTS (SELECT 1 FROM cards kept \
        WHERE kept.thread_id = $2 AND coalesce(kept.task_id, '') = coalesce(cards.task_id, ''))";
    DELETE_WATCHES_IN = "DELETE FROM watches WHERE thread_id = $1";
    DELETE_CARDS_IN = "DELETE FROM cards WHERE thread_id = $1";
    DELETE_THREAD = "DELETE FROM threads WHERE id = $1";

    // Cards
    // Those of the task, of what it waits for, of what waits for it, of the task whose worker made it, and of the board.
    MARK_CARDS = "UPDATE cards SET stale = 1 WHERE stale = 0 AND (task_id IS NULL OR task_id IN (SELECT $1 \
        UNION ALL SELECT parent_id FROM links WHERE child_id = $1 UNION ALL SELECT child_id FROM links WHERE parent_id = $1 \
        UNION ALL SELECT runs.task_id FROM runs WHERE runs.id = $2))";
    PLACE_CARD = "INSERT INTO cards (thread_id, task_id, delivery_id, lead, shown, next_at) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (thread_id, coalesce(task_id, '')) DO UPDATE SET delivery_id = excluded.delivery_id, lead = excluded.lead, \
        shown = excluded.shown, stale = 0, next_at = excluded.next_at";
    HAS_CARD = "SELECT id FROM cards WHERE thread_id = $1 AND coalesce(task_id, '') = coalesce($2, '')";
    NEXT_CARD = "SELECT CAST(min(cards.next_at) AS BIGINT) FROM cards JOIN deliveries ON deliveries.id = cards.delivery_id \
        JOIN threads ON threads.id = cards.thread_id WHERE stale = 1 AND message IS NOT NULL AND parked_at IS NULL";
    DUE_CARDS = "SELECT cards.id, cards.thread_id, cards.task_id, lead, shown, message, platform, space, channel, thread \
        FROM cards JOIN deliveries ON deliveries.id = cards.delivery_id JOIN threads ON threads.id = cards.thread_id \
        WHERE stale = 1 AND cards.next_at <= $1 AND message IS NOT NULL AND parked_at IS NULL ORDER BY cards.next_at, cards.id LIMIT 64";
    CARD_SHOWN = "UPDATE cards SET shown = $2, stale = 0, next_at = $3 WHERE id = $1";
    // Somebody else has written over it.
    SPOIL_CARD = "UPDATE cards SET shown = '', stale = 1 WHERE delivery_id IN (SELECT id FROM deliveries WHERE message = $1) AND thread_id = $2";
    DELETE_CARD = "DELETE FROM cards WHERE id = $1";
    DELETE_CARD_OF = "DELETE FROM cards WHERE thread_id = $1 AND coalesce(task_id, '') = coalesce($2, '')";
    DELETE_BOARD_CARDS = "DELETE FROM cards WHERE task_id IS NULL";
    DELETE_CARDS_OF = "DELETE FROM cards WHERE task_id = $1";
    DELETE_LOST_CARDS = "DELETE FROM cards WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.id = cards.delivery_id)";
    DELETE_OLD_CARDS = "DELETE FROM cards WHERE task_id IN (SELECT id FROM tasks WHERE status IN ('done', 'archived')) \
        AND delivery_id IN (SELECT id FROM deliveries WHERE state = 'sent' AND sent_at < $1)";
    // Edits that a later one has taken the place of, so that a card which moves all day leaves little behind. A button that
    // somebody still sees on an older one works until then.
    PRUNE_EDITS = "DELETE FROM deliveries WHERE edits = $2 AND thread_id = $1 AND state IN ('sent', 'superseded') \
        AND coalesce(sent_at, created_at) < $3 \
        AND id < (SELECT max(shown.id) FROM deliveries shown WHERE shown.edits = $2 AND shown.thread_id = $1 AND shown.state = 'sent')";
    LAST_RUN_OF = "SELECT ", run!(), " FROM runs WHERE task_id = $1 ORDER BY id DESC LIMIT 1";
    OFFSPRING = "SELECT id, status FROM tasks WHERE id IN (SELECT child_id FROM links WHERE parent_id = $1) \
        OR creator_run IN (SELECT runs.id FROM runs WHERE runs.task_id = $1) ORDER BY created_at, id";
    NEWEST_OF_STATUS = "SELECT id, title, assignee FROM tasks WHERE status = $1 ORDER BY created_at DESC, id LIMIT $2";

    // Digests
    FOLDABLE = "SELECT deliveries.id, deliveries.task_id, event, deliveries.created_at, title FROM deliveries \
        LEFT JOIN tasks ON tasks.id = deliveries.task_id WHERE thread_id = $1 AND state = 'queued' AND urgency IN (1, 2) \
        AND in_doubt_since IS NULL AND parts_sent = 0 AND edits IS NULL ORDER BY deliveries.id";
    FOLD = "UPDATE deliveries SET state = 'superseded' WHERE id = $1 AND state = 'queued'";

    // Pins: the thread's first, then its channel's, then its space's
    PINS_AT = "SELECT channel, thread, workspace, board, assignee, tenant, workspace_by, board_by, assignee_by, tenant_by, \
        threads, agent, lane, set_by FROM pins \
        WHERE platform = $1 AND space = $2 AND ((channel = $3 AND thread IN ($4, '')) OR (channel = '' AND thread = '')) \
        ORDER BY channel DESC, thread DESC";
    SET_PIN_THREADS = "INSERT INTO pins (platform, space, channel, thread, threads, set_by, set_at) VALUES ($1, $2, $3, '', $4, $5, $6) \
        ON CONFLICT (platform, space, channel, thread) DO UPDATE SET threads = excluded.threads, set_by = excluded.set_by, set_at = excluded.set_at";

    SET_AGENT = "INSERT INTO pins (platform, space, channel, thread, agent, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (platform, space, channel, thread) DO UPDATE SET agent = excluded.agent, set_by = excluded.set_by, set_at = excluded.set_at";
    SET_LANE = "INSERT INTO pins (platform, space, channel, thread, lane, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (platform, space, channel, thread) DO UPDATE SET lane = excluded.lane, set_by = excluded.set_by, set_at = excluded.set_at";

    // Lanes and sessions
    INSERT_TURN = "INSERT INTO turns (thread_id, update_id, return_address, author, profile, text, state, queued_at) \
        VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7)";
    OPEN_TURNS_OF = turn!(), "WHERE ended_at IS NULL AND platform = $1 AND space = $2 AND channel = $3 AND thread = $4 \
        ORDER BY turns.id";
    RUNNING_TURNS = turn!(), "WHERE ended_at IS NULL AND state = 'running' ORDER BY turns.id";
    NEXT_TURNS = turn!(), "WHERE ended_at IS NULL AND state = 'queued' AND NOT EXISTS (SELECT 1 FROM turns earlier \
        WHERE earlier.ended_at IS NULL AND earlier.thread_id = turns.thread_id AND (earlier.state = 'running' OR earlier.id < turns.id)) \
        ORDER BY turns.id";
    ANY_OPEN_TURN = "SELECT id FROM turns WHERE ended_at IS NULL LIMIT 1";
    LAST_TURN_OF = turn!(), "WHERE started_at IS NOT NULL AND platform = $1 AND space = $2 AND channel = $3 AND thread = $4 \
        ORDER BY turns.id DESC LIMIT 1";
    BEGIN_TURN = "UPDATE turns SET state = 'running', session = $2, started_at = $3 WHERE id = $1 AND state = 'queued'";
    GIVE_BACK_TURN = "UPDATE turns SET state = 'queued', session = NULL, started_at = NULL WHERE id = $1 AND state = 'running'";
    END_TURN = "UPDATE turns SET state = $2, ended_at = $3 WHERE id = $1 AND ended_at IS NULL";
    ANSWER_TURN = "UPDATE turns SET answer = $2 WHERE id = $1";
    STOP_TURN = "UPDATE turns SET stopped_by = coalesce(stopped_by, $2) WHERE id = $1 AND state = 'running'";
    CLEAR_LANE = "UPDATE turns SET state = 'cancelled', ended_at = $5 WHERE ended_at IS NULL AND state = 'queued' AND thread_id IN \
        (SELECT id FROM threads WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4)";
    DELETE_OLD_TURNS = "DELETE FROM turns WHERE ended_at < $1";
    SESSION_OF_THREAD = "SELECT session, has_begun FROM sessions WHERE thread_id = $1 AND profile = $2";
    SET_SESSION = "INSERT INTO sessions (thread_id, profile, session, has_begun) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (thread_id, profile) DO UPDATE SET session = excluded.session, has_begun = excluded.has_begun";
    BEGIN_SESSION = "UPDATE sessions SET has_begun = 1 WHERE thread_id = $1 AND profile = $2 AND session = $3";
    FORGET_SESSIONS = "DELETE FROM sessions WHERE thread_id IN \
        (SELECT id FROM threads WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4)";
    // A run whose worker was never started has no say.
    LAST_SESSION_OF_TASK = "SELECT ", run!(), " FROM runs \
        WHERE task_id = $1 AND profile = $2 AND session IS NOT NULL AND worker_pid IS NOT NULL AND review IS NULL ORDER BY id DESC LIMIT 1";
    SET_RUN_SESSION = "UPDATE runs SET session = $2, resumed_after = $3 WHERE id = $1";
    LEARN_SESSION = "UPDATE runs SET session = $2, session_known = 1 WHERE id = $1";
    LEARN_SESSION_OF_TURN = "UPDATE turns SET session = $2 WHERE id = $1";
    DROP_SESSION = "DELETE FROM sessions WHERE thread_id = $1 AND profile = $2";
    SET_TASK_SESSION = "UPDATE tasks SET session_id = $2 WHERE id = $1";

    SET_PIN = "INSERT INTO pins (platform, space, channel, thread, workspace, board, assignee, tenant, \
        workspace_by, board_by, assignee_by, tenant_by, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
        CASE WHEN $5 IS NULL THEN NULL ELSE $9 END, CASE WHEN $6 IS NULL THEN NULL ELSE $9 END, \
        CASE WHEN $7 IS NULL THEN NULL ELSE $9 END, CASE WHEN $8 IS NULL THEN NULL ELSE $9 END, $9, $10) \
        ON CONFLICT (platform, space, channel, thread) DO UPDATE SET \
        workspace = coalesce(excluded.workspace, pins.workspace), workspace_by = coalesce(excluded.workspace_by, pins.workspace_by), \
        board = coalesce(excluded.board, pins.board), board_by = coalesce(excluded.board_by, pins.board_by), \
        assignee = coalesce(excluded.assignee, pins.assignee), assignee_by = coalesce(excluded.assignee_by, pins.assignee_by), \
        tenant = coalesce(excluded.tenant, pins.tenant), tenant_by = coalesce(excluded.tenant_by, pins.tenant_by), \
        set_at = excluded.set_at";
    CLEAR_PIN = "UPDATE pins SET workspace = NULL, workspace_by = NULL, board = NULL, board_by = NULL, assignee = NULL, \
        assignee_by = NULL, tenant = NULL, tenant_by = NULL WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4 \
        AND coalesce(workspace, board, assignee, tenant) IS NOT NULL";
    CLEAR_PINNED_ASSIGNEE = "UPDATE pins SET assignee = NULL, assignee_by = NULL \
        WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4";
    DELETE_EMPTY_PIN = "DELETE FROM pins WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4 \
        AND workspace IS NULL AND board IS NULL AND assignee IS NULL AND tenant IS NULL \
        AND threads IS NULL AND agent IS NULL AND lane IS NULL";

    // Workplaces: the directories that tasks were allowed
    INSERT_WORKPLACE = "INSERT INTO workplaces (task_id, root) VALUES ($1, $2)";
    WORKPLACE = "SELECT root, gone_since FROM workplaces WHERE task_id = $1";
    SET_WORKPLACE_GONE = "UPDATE workplaces SET gone_since = $2 WHERE task_id = $1 AND gone_since IS NULL";
    SET_WORKPLACE_BACK = "UPDATE workplaces SET gone_since = NULL WHERE task_id = $1 AND gone_since IS NOT NULL";
    GONE_WORKPLACES = "SELECT workplaces.task_id FROM workplaces JOIN tasks ON tasks.id = workplaces.task_id \
        WHERE gone_since IS NOT NULL AND status IN ('ready', 'review')";
    TASK_WITH_PLACE = "SELECT tasks.id FROM tasks LEFT JOIN workplaces ON workplaces.task_id = tasks.id \
        WHERE status = 'ready' AND assignee = $1 AND gone_since IS NULL LIMIT 1";

    // Deliveries and inbox
    // The posts of a task keep their order within a thread, so a question of it does not overtake what is told of it.
    INSERT_DELIVERY = "INSERT INTO deliveries (thread_id, task_id, event, post, state, urgency, edits, next_at, created_at) \
        VALUES ($1, $2, $3, $4, 'queued', max($5, iif($5 IN (1, 2), coalesce((SELECT max(urgency) FROM deliveries \
        WHERE thread_id = $1 AND task_id = $2 AND state = 'queued' AND urgency IN (1, 2)), 0), 0)), $6, $7, $7) RETURNING id";
    SUPERSEDE = "UPDATE deliveries SET state = 'superseded' WHERE thread_id = $1 AND edits = $2 AND state IN ('queued', 'dead') AND id < $3";
    // Those of a card that never went out leave nothing behind, however long its thread cannot be reached.
    DELETE_UNSENT_EDITS = "DELETE FROM deliveries WHERE thread_id = $1 AND edits = $2 AND event = 'card' AND state IN ('queued', 'dead') \
        AND in_doubt_since IS NULL AND parts_sent = 0";
    // Looks at one queued delivery for each thread, however many there are.
    THREADS_OWED = "WITH RECURSIVE owed (id) AS (SELECT min(thread_id) FROM deliveries WHERE state = 'queued' AND urgency < 4 UNION ALL \
        SELECT (SELECT min(thread_id) FROM deliveries WHERE state = 'queued' AND urgency < 4 AND thread_id > owed.id) FROM owed \
        WHERE owed.id IS NOT NULL) \
        SELECT threads.id, platform, space, channel, thread, CAST(CASE WHEN opens_on IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_unopened \
        FROM owed JOIN threads ON threads.id = owed.id WHERE parked_at IS NULL AND NOT EXISTS ( \
            SELECT 1 FROM deliveries opener WHERE opener.id = opens_on AND opener.state = 'queued') ORDER BY threads.id";
    NEXT_DELIVERIES = "SELECT deliveries.id, platform, space, channel, thread, post, attempts, parts_sent, in_doubt_since, \
        max(next_at, coalesce(closed_until, 0)) AS next_at, deliveries.created_at FROM deliveries JOIN threads ON threads.id = thread_id \
        WHERE thread_id = $1 AND state = 'queued' AND urgency < 4 ORDER BY urgency, deliveries.id LIMIT $2";
    // A file goes out behind the text that it came with.
    THREADS_OWED_FILES = "SELECT DISTINCT threads.id, platform, space, channel, thread, CAST(0 AS BIGINT) AS is_unopened \
        FROM deliveries JOIN threads ON threads.id = thread_id WHERE state = 'queued' AND urgency = 4 AND parked_at IS NULL \
        AND opens_on IS NULL AND NOT EXISTS (SELECT 1 FROM deliveries earlier WHERE earlier.thread_id = deliveries.thread_id \
            AND earlier.state = 'queued' AND earlier.urgency < 4 AND earlier.id < deliveries.id)";
    NEXT_FILE = "SELECT deliveries.id, platform, space, channel, thread, post, attempts, parts_sent, in_doubt_since, \
        max(next_at, coalesce(closed_until, 0)) AS next_at, deliveries.created_at FROM deliveries JOIN threads ON threads.id = thread_id \
        WHERE thread_id = $1 AND state = 'queued' AND urgency = 4 AND NOT EXISTS (SELECT 1 FROM deliveries earlier \
            WHERE earlier.thread_id = $1 AND earlier.state = 'queued' AND earlier.urgency < 4 AND earlier.id < deliveries.id) \
        ORDER BY deliveries.id LIMIT 1";
    TELL_INSTEAD = "UPDATE deliveries SET post = $2, urgency = 2, error = $3, attempts = 0, parts_sent = 0, in_doubt_since = NULL, \
        next_at = $4 WHERE id = $1 AND state = 'queued'";
    BEGIN_DELIVERY = "UPDATE deliveries SET in_doubt_since = coalesce(in_doubt_since, $2) WHERE id = $1 AND state = 'queued'";
    DELIVERY_PART = "UPDATE deliveries SET parts_sent = $2, in_doubt_since = NULL WHERE id = $1";
    INSERT_PART = "INSERT INTO delivery_parts (delivery_id, message) SELECT id, $2 FROM deliveries WHERE id = $1 AND $2 <> '' \
        ON CONFLICT DO NOTHING";
    DELIVERY_SENT = "UPDATE deliveries SET state = 'sent', message = nullif($2, ''), sent_at = $3, attempts = attempts + 1, error = NULL, \
        in_doubt_since = NULL WHERE id = $1 RETURNING thread_id, post, settled";
    DELIVERY_LATER = "UPDATE deliveries SET next_at = $2, error = $3, attempts = attempts + $4, in_doubt_since = $5 \
        WHERE id = $1 AND state = 'queued'";
    DELIVER_NOW = "UPDATE deliveries SET next_at = created_at WHERE thread_id = $1 AND state = 'queued'";
    DELIVERY_DEAD = "UPDATE deliveries SET state = 'dead', error = $2, attempts = attempts + 1, in_doubt_since = $3 \
        WHERE id = $1 AND state = 'queued'";
    DELIVERY_BY_MESSAGE = "SELECT deliveries.id, thread_id, platform, space, channel, thread, deliveries.task_id, event, post, message \
        FROM deliveries JOIN threads ON threads.id = deliveries.thread_id WHERE platform = $1 AND channel = $2 AND message = $3 UNION ALL \
        SELECT deliveries.id, thread_id, platform, space, channel, thread, deliveries.task_id, event, post, deliveries.message FROM delivery_parts \
        JOIN deliveries ON deliveries.id = delivery_parts.delivery_id JOIN threads ON threads.id = deliveries.thread_id \
        WHERE platform = $1 AND channel = $2 AND delivery_parts.message = $3 ORDER BY 1 DESC";
    DELIVERY_BY_ID = "SELECT deliveries.id, thread_id, platform, space, channel, thread, deliveries.task_id, event, post, message \
        FROM deliveries JOIN threads ON threads.id = thread_id WHERE deliveries.id = $1";
    UNDELIVERED = "SELECT deliveries.id, platform, space, channel, thread, deliveries.task_id, event, state, attempts, error, parked_at, parked_reason, \
        deliveries.created_at, next_at FROM deliveries JOIN threads ON threads.id = deliveries.thread_id \
        WHERE state IN ('queued', 'dead') ORDER BY deliveries.id LIMIT 200";
    COUNT_UNDELIVERED = "SELECT CAST(count(*) AS BIGINT) FROM deliveries WHERE state IN ('queued', 'dead')";
    REQUEUE_DEAD = "UPDATE deliveries SET state = 'queued', next_at = $2, attempts = 0 WHERE state = 'dead' AND ($1 IS NULL OR id = $1)";
    REQUEUE_WAITING = "UPDATE deliveries SET next_at = $2 WHERE state = 'queued' \
        AND ($1 IS NULL OR thread_id = (SELECT thread_id FROM deliveries WHERE id = $1))";
    CLOSE_THREAD = "UPDATE threads SET closed_until = $2 WHERE id = $1";
    IN_FLIGHT = "SELECT CAST(count(*) AS BIGINT) FROM deliveries JOIN threads ON threads.id = thread_id WHERE state = 'queued' \
        AND in_doubt_since > $3 AND platform = $1 AND channel = $2";
    REVIVE_THREADS = "UPDATE threads SET parked_at = NULL, parked_reason = NULL WHERE parked_at IS NOT NULL AND id IN ( \
        SELECT thread_id FROM deliveries WHERE state = 'queued' AND ($1 IS NULL OR id = $1))";
    PURGE_DEAD = "DELETE FROM deliveries WHERE state = 'dead' AND ($1 IS NULL OR id = $1)";
    PURGE_WAITING = "DELETE FROM deliveries WHERE state = 'queued' AND id = $1";
    RECEIPT = "SELECT receipt FROM inbox WHERE platform = $1 AND update_id = $2 AND receipt IS NOT NULL";
    INSERT_RECEIPT = "INSERT INTO inbox (platform, update_id, receipt, created_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (platform, update_id) DO UPDATE SET receipt = excluded.receipt, request = NULL WHERE inbox.receipt IS NULL";
    INSERT_REQUEST = "INSERT INTO inbox (platform, update_id, request, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    SETTLE_REQUEST = "UPDATE inbox SET receipt = $3, request = NULL WHERE platform = $1 AND update_id = $2 AND receipt IS NULL";
    WAITING_REQUESTS = "SELECT id, request FROM inbox WHERE receipt IS NULL AND id > $1 ORDER BY id LIMIT $2";
    SET_POSITION = "INSERT INTO positions (platform, stream, value) VALUES ($1, $2, $3) \
        ON CONFLICT (platform, stream) DO UPDATE SET value = excluded.value";
    POSITION = "SELECT value FROM positions WHERE platform = $1 AND stream = $2";
    THREADS_OF = "SELECT platform, space, channel, thread FROM threads WHERE platform = $1 AND opens_on IS NULL ORDER BY id";
    INSERT_STRANGER = "INSERT INTO strangers (person, told_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    DELETE_OLD_RECEIPTS = "DELETE FROM inbox WHERE receipt IS NOT NULL AND created_at < $1";
    // A message with a button that works is kept for as long as the button is good for, and so is one that is kept up to date.
    DELETE_OLD_DELIVERIES = "DELETE FROM deliveries WHERE ((state = 'sent' AND sent_at < $1) OR (state = 'superseded' AND created_at < $1)) \
        AND NOT EXISTS (SELECT 1 FROM buttons WHERE delivery_id = deliveries.id AND pressed_at IS NULL AND expires_at > $2) \
        AND NOT EXISTS (SELECT 1 FROM cards WHERE cards.delivery_id = deliveries.id)";

    // Questions
    INSERT_QUESTION = "INSERT INTO questions (task_id, run_id, text, hint, choices, asked_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    SET_QUESTION_EVENT = "UPDATE questions SET event_id = $2 WHERE id = $1";
    QUESTION = "SELECT ", question!(), " FROM questions WHERE id = $1";
    OPEN_QUESTION = "SELECT ", question!(), " FROM questions WHERE task_id = $1 AND answered_at IS NULL AND closed_at IS NULL";
    LAST_QUESTION = "SELECT ", question!(), " FROM questions WHERE task_id = $1 ORDER BY id DESC LIMIT 1";
    ASKING_IN = "SELECT task_id FROM questions WHERE answered_at IS NULL AND closed_at IS NULL AND EXISTS (SELECT 1 FROM buttons \
        JOIN deliveries ON deliveries.id = buttons.delivery_id JOIN threads ON threads.id = deliveries.thread_id \
        WHERE buttons.question_id = questions.id AND buttons.pressed_at IS NULL AND deliveries.message IS NOT NULL \
        AND platform = $1 AND space = $2 AND channel = $3 AND thread = $4) ORDER BY id";
    // The first answer wins.
    ANSWER_QUESTION = "UPDATE questions SET answered_at = $2, answered_by = $3, answer = $4, road = $5 \
        WHERE id = $1 AND answered_at IS NULL AND closed_at IS NULL";
    LATEST_HOLD = "SELECT ", event!(), " FROM events WHERE task_id = $1 AND kind IN ('blocked', 'block_loop_detected', 'gave_up', 'budget_spent') \
        ORDER BY id DESC LIMIT 1";
    CLOSE_QUESTION = "UPDATE questions SET closed_at = $2 WHERE task_id = $1 AND answered_at IS NULL AND closed_at IS NULL RETURNING id";
    DELETE_QUESTIONS_OF = "DELETE FROM questions WHERE task_id = $1";
    END_LOOP = "UPDATE tasks SET block_recurrences = 0 WHERE id = $1";

    // Buttons
    INSERT_BUTTON = "INSERT INTO buttons (delivery_id, number, label, style, asks, action, task_id, question_id, event_id, origin, who, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    BUTTONS_OF = "SELECT label, style, asks, action, question_id, event_id, origin, who, expires_at, pressed_by FROM buttons \
        WHERE delivery_id = $1 ORDER BY number";
    USE_UP_BUTTONS = "UPDATE buttons SET pressed_at = $2, pressed_by = $3 WHERE delivery_id = $1 AND pressed_at IS NULL";
    DELIVERIES_OF_QUESTION = "SELECT DISTINCT delivery_id FROM buttons WHERE question_id = $1 AND pressed_at IS NULL ORDER BY delivery_id";
    BUTTON_CARRIER = "SELECT id, thread_id, post, coalesce(edits, message) AS message FROM deliveries WHERE id = $1";
    SET_SETTLED = "UPDATE deliveries SET settled = $2 WHERE id = $1";

    // Messages of people
    INSERT_MESSAGE = "INSERT INTO messages (platform, channel, message, task_id, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    TASK_OF_MESSAGE = "SELECT task_id FROM messages WHERE platform = $1 AND channel = $2 AND message = $3";
    DELETE_MESSAGES_OF = "DELETE FROM messages WHERE task_id = $1";
    DELETE_OLD_MESSAGES = "DELETE FROM messages WHERE created_at < $1 AND task_id IN (SELECT id FROM tasks WHERE status IN ('done', 'archived'))";

    // Looking
    RUNNING = "SELECT tasks.id AS task_id, runs.id AS run_id, runs.profile, runs.claim_expires, tasks.workspace_kind, tasks.workspace_path, \
        runs.workspace AS run_workspace, runs.holder, runs.started_at, runs.last_heartbeat_at, tasks.tenant FROM tasks \
        JOIN runs ON runs.id = tasks.current_run WHERE tasks.status = 'running' ORDER BY runs.id";
    COUNT_EVENTS_OF = "SELECT CAST(count(*) AS BIGINT) FROM events WHERE task_id = $1";
    HAND_OFFS = "SELECT tasks.id AS task_id, tasks.status, tasks.completed_at, tasks.result, tasks.tenant, runs.ended_at, runs.profile, runs.summary, runs.metadata \
        FROM links JOIN tasks ON tasks.id = links.parent_id LEFT JOIN runs ON runs.id = ( \
            SELECT max(done.id) FROM runs done WHERE done.task_id = tasks.id AND done.outcome = 'completed') \
        WHERE links.child_id = $1 AND tasks.status IN ('done', 'archived') ORDER BY tasks.id";
    WATCHES_OF_TASK = watch!(), "WHERE watches.task_id = $1 OR (watches.task_id IS NULL AND (assignee IS NULL OR assignee = $2) \
        AND (tenant IS NULL OR tenant = $3)) ORDER BY watches.id";
    WATCHES_OF_THREAD = watch!(), "WHERE platform = $1 AND space = $2 AND channel = $3 AND thread = $4 ORDER BY watches.id";
    FAILING = symptom!("count(*)", "min(runs.ended_at)", "max(runs.ended_at)", "max(runs.id)"), "JOIN runs ON runs.task_id = tasks.id \
        WHERE ", live!(), " AND tasks.last_error IS NOT NULL \
        AND runs.outcome IN ('crashed', 'lost', 'timed_out', 'spawn_failed', 'protocol_violation', 'gave_up') GROUP BY tasks.id";
    CRASHING = symptom!("count(*)", "min(runs.ended_at)", "max(runs.ended_at)", "max(runs.id)"), "JOIN runs ON runs.task_id = tasks.id \
        WHERE ", live!(), " AND tasks.failures >= $1 AND runs.outcome IN ('crashed', 'lost') AND NOT EXISTS ( \
            SELECT 1 FROM runs later WHERE later.task_id = tasks.id AND later.id > runs.id AND later.outcome NOT IN ('crashed', 'lost')) \
        GROUP BY tasks.id HAVING count(*) >= $1";
    BLOCKED_FOR_LONG = symptom!("1", "max(events.created_at)", "max(events.created_at)", "max(events.run_id)"), "JOIN events ON events.task_id = tasks.id \
        WHERE tasks.status = 'blocked' AND events.kind IN ('created', 'blocked', 'gave_up') GROUP BY tasks.id HAVING max(events.created_at) <= $1";
    BLOCKED_OFTEN = symptom!("count(*)", "min(events.created_at)", "max(events.created_at)", "max(events.run_id)"), "JOIN events ON events.task_id = tasks.id \
        WHERE ", live!(), " AND tasks.block_recurrences > 0 AND events.kind IN ('blocked', 'block_loop_detected') AND events.created_at >= $1 \
        GROUP BY tasks.id HAVING count(*) >= $2";
    READY_FOR_LONG = symptom!("1", "max(events.created_at)", "max(events.created_at)", "NULL"), "JOIN events ON events.task_id = tasks.id \
        WHERE tasks.status = 'ready' AND (tasks.not_before IS NULL OR tasks.not_before <= $1) \
        AND events.kind NOT IN ('commented', 'attached', 'attachment_removed', 'linked', 'unlinked', 'heartbeat', 'claim_rejected') \
        GROUP BY tasks.id HAVING max(events.created_at) <= $1";
    UNASSIGNED_READY = symptom!("1", "tasks.created_at", "tasks.created_at", "NULL"), "WHERE tasks.status = 'ready' AND tasks.assignee IS NULL";
    LIVE_OF_ASSIGNEE = symptom!("1", "tasks.created_at", "tasks.created_at", "NULL"), "WHERE tasks.assignee = $1 AND ", live!();
    HELD_UP = "SELECT deliveries.task_id, platform, space, channel, thread, CAST(count(*) AS BIGINT) AS posts, \
        CAST(min(deliveries.created_at) AS BIGINT) AS oldest, parked_at, parked_reason, min(tasks.title) AS title, \
        min(tasks.status) AS status, min(tasks.assignee) AS assignee \
        FROM threads JOIN deliveries ON deliveries.thread_id = threads.id AND deliveries.state = 'queued' \
        LEFT JOIN tasks ON tasks.id = deliveries.task_id WHERE parked_at IS NOT NULL GROUP BY threads.id, deliveries.task_id ORDER BY threads.id";

    // Schedules
    INSERT_SCHEDULE = "INSERT INTO schedules (rule, zone, command, missed, overlaps, tenant, thread_id, maker, author, created_at, seen_until, next_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11) RETURNING ", schedule!();
    SCHEDULE = "SELECT ", schedule!(), " FROM schedules WHERE id = $1";
    SCHEDULES = "SELECT ", schedule!(), " FROM schedules ORDER BY id";
    // Also those that were last seen to at a time that is still to come, since the clock was put back.
    SCHEDULES_DUE = "SELECT ", schedule!(), " FROM schedules WHERE paused_by IS NULL AND next_at IS NOT NULL \
        AND (next_at <= $1 OR seen_until > $1 + 1000) ORDER BY next_at, id";
    NEXT_FIRING = "SELECT CAST(min(next_at) AS BIGINT) FROM schedules WHERE paused_by IS NULL";
    THREAD_OF_SCHEDULE = "SELECT platform, space, channel, thread FROM threads WHERE id = $1";
    SET_SEEN = "UPDATE schedules SET seen_until = $2, next_at = $3, error = $4 WHERE id = $1";
    PAUSE_SCHEDULE = "UPDATE schedules SET paused_by = $2 WHERE id = $1 AND paused_by IS NULL";
    RESUME_SCHEDULE = "UPDATE schedules SET paused_by = NULL, error = NULL, seen_until = $2, next_at = $3 WHERE id = $1";
    DELETE_FIRINGS_OF = "DELETE FROM firings WHERE schedule_id = $1";
    DELETE_SCHEDULE = "DELETE FROM schedules WHERE id = $1";
    MOVE_SCHEDULES = "UPDATE schedules SET thread_id = $2 WHERE thread_id = $1";
    INSERT_FIRING = "INSERT INTO firings (schedule_id, nominal, at, outcome, fired_by, task_id, reason) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (schedule_id, nominal) DO NOTHING";
    HAS_FIRED = "SELECT nominal FROM firings WHERE schedule_id = $1 AND nominal = $2";
    LAST_FIRINGS = "SELECT nominal, at, outcome, fired_by, task_id, reason FROM firings WHERE schedule_id = $1 ORDER BY nominal DESC LIMIT $2";
    OPEN_TASK_OF_SCHEDULE = "SELECT ", task!(), " FROM firings JOIN tasks ON id = task_id \
        WHERE schedule_id = $1 AND status NOT IN ('done', 'archived') ORDER BY nominal DESC LIMIT 1";
    // What is older than any clock is put back.
    FORGET_FIRINGS = "DELETE FROM firings WHERE schedule_id = $1 AND nominal < \
        (SELECT nominal FROM firings WHERE schedule_id = $1 ORDER BY nominal DESC LIMIT 1 OFFSET $2)";

    // Grants, pairing and the audit
    GRANTS = "SELECT who, role, platform, space, channel, board, tenant, granted_by, granted_at FROM grants \
        ORDER BY granted_at, who";
    SET_GRANT = "INSERT INTO grants (who, role, platform, space, channel, board, tenant, granted_by, granted_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (who, platform, space, channel, board, tenant) \
        DO UPDATE SET role = excluded.role, granted_by = excluded.granted_by, granted_at = excluded.granted_at";
    DELETE_GRANT = "DELETE FROM grants WHERE who = $1 AND platform = $2 AND space = $3 AND channel = $4 AND board = $5 AND tenant = $6";
    OPEN_PAIRING = "INSERT INTO pairing (id, hash, expires_at) VALUES (1, $1, $2) \
        ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at, misses = 0";
    PAIRING = "SELECT hash, expires_at, misses FROM pairing WHERE id = 1";
    MISS_PAIRING = "UPDATE pairing SET misses = misses + 1 WHERE id = 1";
    CLOSE_PAIRING = "DELETE FROM pairing WHERE id = 1";
    PAIRING_TRY = "SELECT at FROM pairing_tries WHERE person = $1";
    SET_PAIRING_TRY = "INSERT INTO pairing_tries (person, at) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE SET at = excluded.at";
    CLEAR_PAIRING_TRIES = "DELETE FROM pairing_tries";
    INSERT_AUDIT = "INSERT INTO audit (at, person, place, road, verb, task_id, board, outcome) SELECT $1, $2, $3, $4, $5, $6, $7, $8 \
        WHERE $8 = 'done' OR NOT EXISTS (SELECT 1 FROM audit WHERE at > $1 - 60000 AND person = $2 AND place = $3 AND road = $4 \
        AND verb = $5 AND task_id IS NOT DISTINCT FROM $6 AND board = $7 AND outcome = $8)";
    FORGET_AUDIT = "DELETE FROM audit WHERE at < $1";
    AUDIT = "SELECT id, at, person, place, road, verb, task_id, board, outcome FROM audit \
        WHERE (CAST($1 AS TEXT) IS NULL OR task_id = $1) AND (CAST($2 AS TEXT) IS NULL OR person = $2 OR substr(person, 1, length($2) + 2) = $2 || ' (') \
        ORDER BY id DESC LIMIT $3";

    // The board itself
    META = "SELECT key, value FROM meta";
    META_VALUE = "SELECT value FROM meta WHERE key = $1";
    SET_META = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    DELETE_META = "DELETE FROM meta WHERE key = $1";
    PARK_PROFILE = "INSERT INTO parked_profiles (profile, until, reason, since, kind, task_id) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (profile) DO UPDATE SET until = excluded.until, reason = excluded.reason, since = excluded.since, \
        kind = excluded.kind, task_id = excluded.task_id";
    PARKED_PROFILES = "SELECT profile, kind, until, since, reason, task_id FROM parked_profiles WHERE until > $1 ORDER BY profile";
    // What has met the reason of a rest waits no longer than the rest.
    RELEASE_PARKED_TASKS = "UPDATE tasks SET not_before = NULL WHERE not_before IS NOT NULL AND ((status = 'ready' AND assignee = $1) \
        OR (status = 'review' AND id IN (SELECT task_id FROM reviews WHERE verdict IS NULL AND reviewer = $1))) \
        AND (SELECT outcome FROM runs WHERE task_id = tasks.id ORDER BY id DESC LIMIT 1) IN ('rate_limited', 'auth_failed')";
    UNPARK_PROFILE = "DELETE FROM parked_profiles WHERE profile = $1";
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    use super::*;

    async fn empty_board() -> SqliteConnection {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for (_, script) in crate::board::schema::MIGRATIONS {
            sqlx::raw_sql(*script).execute(&mut conn).await.unwrap();
        }
        conn
    }

    async fn plan(conn: &mut SqliteConnection, statement: &str) -> String {
        let rows: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(conn).await.unwrap();
        rows.into_iter().map(|(.., detail)| detail).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn every_statement_prepares_and_names_its_columns() {
        let mut conn = empty_board().await;
        assert!(ALL.len() > 80);
        for (name, statement) in ALL {
            let prepared = sqlx::query(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(&mut conn).await;
            assert!(prepared.is_ok(), "{name}: {prepared:?}");
            assert!(!statement.replace("count(*)", "").contains('*'), "{name} has a `*`");
        }
    }

    /// What runs for each command, claim and wake-up must not look at finished tasks, old runs or old events.
    #[tokio::test]
    async fn statements_that_run_all_day_walk_an_index() {
        let mut conn = empty_board().await;
        // Each with what its plan must say, and how many tables it may walk from one end of an index to the other.
        let hot: &[(&str, &str, &[&str], usize)] = &[
            ("TASK", TASK, &["SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (id=?)"], 0),
            ("TASK_BY_KEY", TASK_BY_KEY, &["SEARCH tasks USING INDEX tasks_idempotency (idempotency_key=?)"], 0),
            ("TO_START", TO_START, &["SEARCH tasks USING INDEX tasks_to_start (status=? AND assignee=?)"], 0),
            (
                "READY_UNASSIGNED",
                READY_UNASSIGNED,
                &["SEARCH tasks USING INDEX tasks_to_start (status=? AND assignee=?)"],
                0,
            ),
            ("READY_ASSIGNEES", READY_ASSIGNEES, &["tasks_to_start (status=? AND assignee>?)"], 0),
            ("WAITING", WAITING, &["SEARCH tasks USING INDEX tasks_by_status (status=?)"], 0),
            ("PAGE_OF_BOARD", PAGE_OF_BOARD, &["SCAN tasks USING INDEX tasks_on_board"], 1),
            ("PAGE_OF_STATUS", PAGE_OF_STATUS, &["SEARCH tasks USING INDEX tasks_by_status (status=?)"], 0),
            ("OPEN_PARENTS", OPEN_PARENTS, &["SEARCH links USING COVERING INDEX links_by_child (child_id=?)"], 0),
            ("PROMOTE_CHILDREN", PROMOTE_CHILDREN, &["SEARCH links USING PRIMARY KEY (parent_id=?)"], 0),
            ("INSERT_RUN", INSERT_RUN, &["SEARCH runs USING INDEX runs_by_task (task_id=?)"], 0),
            ("INSERT_CLOSED_RUN", INSERT_CLOSED_RUN, &["SEARCH runs USING INDEX runs_by_task (task_id=?)"], 0),
            ("DELETE_RUNS_OF", DELETE_RUNS_OF, &["SEARCH tasks USING COVERING INDEX tasks_in_hand (current_run=?)"], 0),
            ("SET_DONE", SET_DONE, &["SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (id=?)"], 0),
            ("SET_RUNNING", SET_RUNNING, &["SEARCH tasks USING"], 0),
            ("END_RUN", END_RUN, &["SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)"], 0),
            ("LAST_OUTCOMES", LAST_OUTCOMES, &["SEARCH runs USING INDEX runs_by_task (task_id=?)"], 0),
            ("EXPIRED_CLAIMS", EXPIRED_CLAIMS, &["SCAN runs USING INDEX runs_open"], 1),
            ("OPEN_RUNS", OPEN_RUNS, &["SCAN runs USING INDEX runs_open"], 1),
            (
                "NEXT_ALARM",
                NEXT_ALARM,
                &["SEARCH tasks USING COVERING INDEX tasks_due (not_before>?)", "runs USING INDEX runs_open"],
                2,
            ),
            ("DUE", DUE, &["SEARCH tasks USING INDEX tasks_set_aside (status=? AND not_before>? AND not_before<?)"], 0),
            ("WATCHES_FOR", WATCHES_FOR, &["SEARCH watches USING INDEX watches_by_task (task_id=?)"], 0),
            (
                "NEXT_DELIVERIES",
                NEXT_DELIVERIES,
                &["SEARCH deliveries USING INDEX deliveries_owed (thread_id=? AND urgency<?)"],
                0,
            ),
            ("THREADS_OWED_FILES", THREADS_OWED_FILES, &["deliveries_of_files"], 1),
            ("NEXT_FILE", NEXT_FILE, &["SEARCH deliveries USING INDEX deliveries_o"], 0),
            (
                "THREADS_OWED",
                THREADS_OWED,
                &["SEARCH deliveries USING COVERING INDEX deliveries_owed (thread_id>?)"],
                0,
            ),
            ("DELIVERY_BY_MESSAGE", DELIVERY_BY_MESSAGE, &["deliveries_by_message"], 0),
            ("EVENTS_OF_SINCE", EVENTS_OF_SINCE, &["SEARCH events USING INDEX events_by_task (task_id=? AND id>?)"], 0),
            ("EVENTS_SINCE", EVENTS_SINCE, &["SEARCH events USING INTEGER PRIMARY KEY (rowid>?)"], 0),
            (
                "CREATED_BY_RUNS_OF",
                CREATED_BY_RUNS_OF,
                &["SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (id=?)"],
                0,
            ),
            ("RECEIPT", RECEIPT, &["SEARCH inbox USING INDEX inbox_once (platform=? AND update_id=?)"], 0),
            ("WAITING_REQUESTS", WAITING_REQUESTS, &["SEARCH inbox USING INDEX inbox_waiting (id>?)"], 0),
            ("NEXT_TURNS", NEXT_TURNS, &["SCAN turns USING INDEX turns_not_over", "SEARCH threads USING"], 1),
            ("OPEN_TURNS_OF", OPEN_TURNS_OF, &["SEARCH turns USING INDEX turns_open (thread_id=?)"], 0),
            ("LAST_TURN_OF", LAST_TURN_OF, &["SEARCH turns USING INDEX turns_of_thread (thread_id=?)"], 0),
            ("LAST_SESSION_OF_TASK", LAST_SESSION_OF_TASK, &["SEARCH runs USING INDEX runs_by_task (task_id=?)"], 0),
            ("SUPERSEDE", SUPERSEDE, &["deliveries_of_edits"], 0),
            ("MARK_CARDS", MARK_CARDS, &["SEARCH cards USING INDEX cards_by_task (task_id=?)"], 0),
            ("NEXT_CARD", NEXT_CARD, &["cards USING INDEX cards_stale"], 1),
            ("DUE_CARDS", DUE_CARDS, &["SEARCH cards USING INDEX cards_stale (next_at<?)"], 0),
            ("PRUNE_EDITS", PRUNE_EDITS, &["deliveries_of_edits"], 0),
            ("FOLDABLE", FOLDABLE, &["SEARCH deliveries USING INDEX deliveries_owed (thread_id=? AND urgency=?)"], 0),
            ("OPEN_QUESTION", OPEN_QUESTION, &["SEARCH questions USING INDEX questions_open (task_id=?)"], 0),
            ("LAST_QUESTION", LAST_QUESTION, &["SEARCH questions USING INDEX questions_by_task (task_id=?)"], 0),
            ("CLOSE_QUESTION", CLOSE_QUESTION, &["SEARCH questions USING INDEX questions_open (task_id=?)"], 0),
            ("BUTTONS_OF", BUTTONS_OF, &["SEARCH buttons USING PRIMARY KEY (delivery_id=?)"], 0),
            ("DELIVERIES_OF_QUESTION", DELIVERIES_OF_QUESTION, &["buttons_of_questions (question_id=?)"], 0),
            ("NEXT_FIRING", NEXT_FIRING, &["SEARCH schedules USING INDEX schedules_due"], 0),
            ("HAS_FIRED", HAS_FIRED, &["SEARCH firings USING PRIMARY KEY (schedule_id=? AND nominal=?)"], 0),
            ("TASK_OF_MESSAGE", TASK_OF_MESSAGE, &["SEARCH messages USING PRIMARY KEY"], 0),
            ("TASK_OF_THREAD", TASK_OF_THREAD, &["SEARCH threads USING INDEX threads_once"], 0),
        ];
        let mut wrong = Vec::new();
        for (name, statement, expected, walks) in hot {
            let plan = plan(&mut conn, statement).await;
            // The rows of the statement's own recursion and of VALUES are no table.
            let walks_of = |line: &&str| {
                line.starts_with("SCAN ") && ![" ready", " owed", "CONSTANT ROW"].iter().any(|own| line.ends_with(own))
            };
            let walked = plan.lines().filter(walks_of).count();
            let unindexed = plan.lines().filter(walks_of).any(|line| !line.contains(" USING "));
            if unindexed || walked > *walks || expected.iter().any(|part| !plan.contains(part)) {
                wrong.push(format!("{name}, expected {expected:?} and at most {walks} walks:\n{plan}"));
            }
            if matches!(*name, "TO_START" | "PAGE_OF_BOARD" | "PAGE_OF_STATUS" | "NEXT_DELIVERIES" | "DUE") {
                assert!(!plan.contains("TEMP B-TREE"), "{name} sorts:\n{plan}");
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}
