//! The boards of Hermes: its tasks and links, and which columns and statuses there ever were.

use std::collections::{HashMap, HashSet};

use super::{
    history::{self, Said, Subscription},
    mend::{Mended, digest, key},
    report::Tables,
    source::Copy,
    table::{self, Cell, Row, Table},
    unusable,
};
use crate::{
    board::{
        Amount, Error, TaskId,
        attachment::Attachment,
        comment::Comment,
        run::Run,
        task::{BlockKind, Status, Task, WorkspaceKind},
    },
    clock::Millis,
};

/// A row that is to be put down.
pub(super) struct Taken<T> {
    pub(super) what: T,
    /// What tells it from the others of its kind.
    pub(super) key: String,
    /// What it says.
    pub(super) digest: String,
    pub(super) mended: Vec<String>,
}

/// A task, with what only matters while it is taken in.
pub(super) struct ArrivingTask {
    pub(super) task: Task,
    /// What the source said its status was.
    pub(super) was: String,
    /// Somebody worked on it there.
    pub(super) was_at_work: bool,
}

/// All that a board holds, mended.
#[derive(Default)]
pub(super) struct Load {
    pub(super) tasks: Vec<Taken<ArrivingTask>>,
    pub(super) links: Vec<Taken<(TaskId, TaskId)>>,
    pub(super) runs: Vec<Taken<Run>>,
    pub(super) comments: Vec<Taken<Comment>>,
    pub(super) events: Vec<Taken<Said>>,
    /// With where their files may lie, below the folder of attachments.
    pub(super) attachments: Vec<Taken<(Attachment, Vec<String>)>>,
    pub(super) watches: Vec<Taken<Subscription>>,
}

/// The tables that a board of Hermes may have, by their names there.
pub(super) const TASKS: &str = "tasks";
pub(super) const LINKS: &str = "task_links";
pub(super) const RUNS: &str = "task_runs";
pub(super) const COMMENTS: &str = "task_comments";
pub(super) const EVENTS: &str = "task_events";
pub(super) const ATTACHMENTS: &str = "task_attachments";
pub(super) const WATCHES: &str = "kanban_notify_subs";

/// The columns of a task that are carried.
const CARRIED: &[&str] = &[
    "id",
    "title",
    "body",
    "assignee",
    "status",
    "priority",
    "created_by",
    "created_at",
    "started_at",
    "completed_at",
    "workspace_kind",
    "workspace_path",
    "branch_name",
    "project_id",
    "tenant",
    "result",
    "idempotency_key",
    "consecutive_failures",
    "spawn_failures",
    "last_failure_error",
    "last_spawn_error",
    "max_runtime_seconds",
    "workflow_template_id",
    "current_step_key",
    "skills",
    "max_retries",
    "goal_mode",
    "goal_max_turns",
    "session_id",
    "block_kind",
    "block_recurrences",
];

/// Those that tell of a claim, which ends with the move.
const OF_A_CLAIM: &[&str] = &["claim_lock", "claim_expires", "worker_pid", "last_heartbeat_at", "current_run_id"];

/// Reads a whole board.
pub(super) async fn read(copy: &mut Copy, now: Millis, counts: &mut Tables) -> Result<Load, Error> {
    let Some(tasks) = table::read(&mut copy.conn, TASKS).await? else {
        return Err(unusable("it is a database without a table `tasks`, so it is no board of Hermes"));
    };
    let mut load = Load::default();
    let ids = read_tasks(&tasks, now, &mut load, counts);
    let mut runs = HashMap::new();
    let known = [TASKS, LINKS, RUNS, COMMENTS, EVENTS, ATTACHMENTS, WATCHES];
    for name in &known[1..] {
        let Some(table) = table::read(&mut copy.conn, name).await? else { continue };
        counts.open(name);
        let mut rows = history::Rows { table: &table, name, ids: &ids, counts: &mut *counts, now };
        match *name {
            LINKS => load.links = rows.links(),
            RUNS => (load.runs, runs) = rows.runs(),
            COMMENTS => load.comments = rows.comments(),
            EVENTS => load.events = rows.events(&runs),
            ATTACHMENTS => load.attachments = rows.attachments(),
            _ => load.watches = rows.watches(),
        }
    }
    for name in table::names(&mut copy.conn).await? {
        if !known.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            let rows = table::count(&mut copy.conn, &name).await?;
            counts.read_all(&name, rows);
            counts.skip_all(&name, rows, "this table is not known here");
        }
    }
    history::tell_why_they_wait(&mut load);
    Ok(load)
}

/// Reads the tasks. Answers which id each has here.
fn read_tasks(table: &Table, now: Millis, load: &mut Load, counts: &mut Tables) -> HashMap<String, TaskId> {
    counts.open(TASKS);
    let ids = ids_here(table);
    let (mut seen, mut keys) = (HashSet::new(), HashSet::new());
    for row in &table.rows {
        counts.read(TASKS);
        let mut mended = Mended::default();
        let Some(named) = mended.words(table.get(row, "id"), "id") else {
            counts.skip(TASKS, "it has no id");
            continue;
        };
        let Some(id) = ids.get(&named).filter(|id| seen.insert((*id).clone())) else {
            counts.skip(TASKS, "another task of that board has the same id");
            continue;
        };
        if id.as_str() != named {
            mended.note("its id cannot be typed here: it has another one now");
        }
        let mut arriving = read_task(table, row, id, now, &mut mended);
        let task = &mut arriving.task;
        if task.status != Status::Archived && task.idempotency_key.as_ref().is_some_and(|key| !keys.insert(key.clone()))
        {
            mended.note("another open task of that board has the same idempotency key");
            task.idempotency_key = None;
        }
        let digest = digest(table, row, CARRIED);
        load.tasks.push(Taken { what: arriving, key: id.to_string(), digest, mended: mended.0 });
    }
    history::note_columns(table, TASKS, &[CARRIED, OF_A_CLAIM].concat(), counts);
    ids
}

/// Which id each task has here: its own, wherever that can be typed.
fn ids_here(table: &Table) -> HashMap<String, TaskId> {
    let mut mended = Mended::default();
    let named: Vec<String> = table.rows.iter().filter_map(|row| mended.words(table.get(row, "id"), "id")).collect();
    let mut ids: HashMap<String, TaskId> = HashMap::new();
    let mut taken = HashSet::new();
    for name in &named {
        if let Ok(id) = name.parse::<TaskId>()
            && id.as_str() == name
        {
            taken.insert(id.clone());
            ids.insert(name.clone(), id);
        }
    }
    for name in named {
        if ids.contains_key(&name) {
            continue;
        }
        let lowered = name.parse::<TaskId>().ok().filter(|id| !taken.contains(id));
        let made = || format!("t_{}", &key(&[&name])[..12]).parse::<TaskId>().ok();
        if let Some(id) = lowered.or_else(made) {
            taken.insert(id.clone());
            ids.insert(name, id);
        }
    }
    ids
}

fn read_task(table: &Table, row: &Row, id: &TaskId, now: Millis, mended: &mut Mended) -> ArrivingTask {
    let get = |column: &str| table.get(row, column);
    let was = mended.words(get("status"), "status").unwrap_or_default();
    let (status, was_at_work) = status(&was, mended);
    let created_at = mended.time(get("created_at"), "created_at").unwrap_or_else(|| {
        mended.note("when it was created is not known");
        now
    });
    let created_by = mended.words(get("created_by"), "created_by").unwrap_or_else(|| "unknown".to_owned());
    let (workspace_kind, workspace_path) = workspace(table, row, mended);
    let skills = mended.names(get("skills"), "skills");
    let block_kind = mended.words(get("block_kind"), "block_kind").and_then(|name| {
        let kinds = [BlockKind::NeedsInput, BlockKind::Capability, BlockKind::Transient, BlockKind::Dependency];
        let found = kinds.into_iter().find(|kind| kind.as_str() == name);
        if found.is_none() {
            mended.note(format!("block kind `{name}` is not known here"));
        }
        found
    });
    let task = Task {
        id: id.clone(),
        title: mended.title(get("title")),
        body: mended.text(get("body"), "body").filter(|body| !body.trim().is_empty()),
        assignee: mended.profile(get("assignee"), "assignee"),
        status,
        priority: mended.integer(get("priority"), "priority").unwrap_or(0),
        tenant: mended.words(get("tenant"), "tenant"),
        workspace_kind,
        workspace_path,
        branch_name: mended.words(get("branch_name"), "branch_name"),
        project_id: mended.words(get("project_id"), "project_id"),
        skills: serde_json::Value::from(skills).to_string(),
        goal_mode: mended.flag(get("goal_mode"), "goal_mode"),
        goal_max_turns: mended.count(get("goal_max_turns"), "goal_max_turns"),
        max_retries: mended.count(get("max_retries"), "max_retries"),
        max_runtime_seconds: mended.count(get("max_runtime_seconds"), "max_runtime_seconds"),
        idempotency_key: mended.words(get("idempotency_key"), "idempotency_key"),
        session_id: mended.words(get("session_id"), "session_id"),
        workflow_template_id: mended.words(get("workflow_template_id"), "workflow_template_id"),
        current_step_key: mended.words(get("current_step_key"), "current_step_key"),
        created_by,
        creator_run: None,
        created_at,
        started_at: mended.time(get("started_at"), "started_at"),
        completed_at: mended.time(get("completed_at"), "completed_at"),
        result: mended.text(get("result"), "result"),
        current_run: None,
        failures: mended.tally(table.first(row, &["consecutive_failures", "spawn_failures"]), "consecutive_failures"),
        last_error: mended.text(table.first(row, &["last_failure_error", "last_spawn_error"]), "last_failure_error"),
        block_kind,
        block_reason: None,
        block_recurrences: mended.tally(get("block_recurrences"), "block_recurrences"),
        parents_waived: false,
        not_before: None,
        max_total_seconds: None,
        max_cost: None,
        cost: Amount::default(),
        worked_ms: 0,
    };
    ArrivingTask { task, was, was_at_work }
}

/// The status that a task has here, and whether somebody works on it there.
fn status(was: &str, mended: &mut Mended) -> (Status, bool) {
    match was.parse() {
        Ok(Status::Running) => {
            mended.note("it was running: it is ready now, and its claim is closed as `imported`");
            return (Status::Ready, true);
        }
        Ok(status) => return (status, false),
        Err(_) => {}
    }
    let status = match was.to_ascii_lowercase().as_str() {
        "completed" | "complete" | "finished" | "closed" => Status::Done,
        "cancelled" | "canceled" | "deleted" => Status::Archived,
        word => word.parse().ok().filter(|status| *status != Status::Running).unwrap_or(Status::Triage),
    };
    mended.note(match (was, status) {
        ("", _) => "it had no status: a person decides in triage".to_owned(),
        (was, Status::Triage) => format!("status `{was}` is not known here: a person decides in triage"),
        (was, status) => format!("status `{was}` is not known here: it is {status} now"),
    });
    (status, false)
}

fn workspace(table: &Table, row: &Row, mended: &mut Mended) -> (WorkspaceKind, Option<String>) {
    let named = mended.words(table.get(row, "workspace_kind"), "workspace_kind");
    let path = mended.words(table.get(row, "workspace_path"), "workspace_path");
    let absolute = path.clone().filter(|path| path.starts_with('/'));
    match named.as_deref() {
        None | Some("scratch") => {
            if path.is_some() {
                mended.note("its scratch directory is left where it is: it gets a new one");
            }
            (WorkspaceKind::Scratch, None)
        }
        Some("dir") if absolute.is_some() => (WorkspaceKind::Dir, absolute),
        Some("dir") => {
            mended.note("its directory was no absolute path: it works in a scratch directory now");
            (WorkspaceKind::Scratch, None)
        }
        Some("worktree") => {
            if path.is_some() && absolute.is_none() {
                mended.note("its worktree was no absolute path");
            }
            (WorkspaceKind::Worktree, absolute)
        }
        Some(other) => {
            mended.note(format!("workspace kind `{other}` is not known here: it works in a scratch directory now"));
            (WorkspaceKind::Scratch, None)
        }
    }
}

/// Whether a cell says anything.
pub(super) fn is_said(cell: &Cell) -> bool {
    match cell {
        Cell::Null => false,
        Cell::Integer(number) => *number != 0,
        Cell::Real(number) => *number != 0.0,
        Cell::Text(text, _) => !text.is_empty(),
    }
}
