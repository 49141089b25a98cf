//! `gc`: removes what ended tasks have left behind, and says what it keeps and why.

use std::{
    collections::HashSet,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    board::{Board, Error, TaskId, task::Status},
    command::{desk::Desk, reply::Reply, verbs::Gc},
    dispatcher::{
        TURN_LOGS, at_work,
        workspace::{may_remove_scratch, remove_scratch, remove_worktree, scratch_root, worktree_is_clean},
    },
};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// How long the audit tells of what was done.
const AUDIT_LIFE: i64 = 365 * DAY;

/// How old a stored file is at least that is taken for one which nothing will refer to: it is stored before its row is written.
const STORING: Duration = Duration::from_secs(60 * 60);

/// One place that a task was given, and what becomes of it.
struct Place {
    task: TaskId,
    kind: &'static str,
    path: String,
    /// Why it is kept; none if it goes.
    kept: Option<Kept>,
}

/// Why a place is kept.
struct Kept {
    /// A word for programs.
    reason: &'static str,
    detail: String,
}

impl Kept {
    fn new(reason: &'static str, detail: impl Into<String>) -> Option<Self> {
        Some(Self { reason, detail: detail.into() })
    }

    /// Kept for as long as its task may need it, which is nothing to see to.
    fn is_in_use(&self) -> bool {
        matches!(self.reason, "open_task" | "at_work")
    }
}

pub(super) async fn run(desk: &Desk, board: &Board, args: &Gc) -> Result<Reply, Error> {
    let now = desk.now();
    let at_work = at_work(desk.home(), board.slug())?;
    let mut places = scratches(board, &at_work, args.dry_run).await?;
    places.extend(worktrees(board, &at_work, args.dry_run).await?);
    let left = left_worktrees(board, &at_work, args.dry_run).await?;
    let gone: Vec<String> = left.iter().filter(|place| place.kept.is_none()).map(|place| place.path.clone()).collect();
    places.extend(left);
    places.extend(orphans(board, now, args.dry_run).await?);
    let mut tx = board.write().await?;
    for path in &gone {
        tx.forget_worktree(path).await?;
    }
    let events = tx.forget(now - i64::from(args.event_retention_days) * DAY, now).await?;
    tx.forget_audit(now - AUDIT_LIFE).await?;
    if args.dry_run {
        // What was counted is not done.
        drop(tx);
    } else {
        tx.commit().await?;
    }
    let oldest = Duration::from_secs(u64::from(args.log_retention_days) * 24 * 60 * 60);
    let running = board.read().await?.running().await?.into_iter().map(|running| running.task_id.to_string());
    let busy: Vec<_> = at_work.iter().map(ToString::to_string).chain(running).collect();
    let logs = desk.home().join("logs");
    let logs = remove_old_logs(&logs.join(board.slug().as_str()), &busy, now, oldest, args.dry_run)?
        + remove_old_logs(&logs.join(TURN_LOGS), &[], now, oldest, args.dry_run)?;
    Ok(if args.json {
        Reply::json(&document(&places, events, logs, args.dry_run))
    } else {
        told(&places, events, logs, args.dry_run)
    })
}

fn document(places: &[Place], events: u64, logs: usize, is_dry: bool) -> Value {
    let row = |place: &Place| json!({"task_id": place.task, "kind": place.kind, "path": place.path});
    let removed: Vec<Value> = places.iter().filter(|place| place.kept.is_none()).map(row).collect();
    let kept: Vec<Value> = places
        .iter()
        .filter_map(|place| {
            let kept = place.kept.as_ref()?;
            let mut row = row(place);
            row["reason"] = json!(kept.reason);
            row["detail"] = json!(kept.detail);
            Some(row)
        })
        .collect();
    json!({"dry_run": is_dry, "removed": removed, "kept": kept, "events": events, "logs": logs})
}

fn told(places: &[Place], events: u64, logs: usize, is_dry: bool) -> Reply {
    let gone = |kind: &str| places.iter().filter(|place| place.kept.is_none() && place.kind == kind).count();
    let (scratches, worktrees) = (gone("scratch"), gone("worktree"));
    let files = match gone("file") {
        0 => String::new(),
        files => format!(", {files} stored file(s) that nothing refers to"),
    };
    let mut text = format!(
        "{}: {scratches} workspace(s), {worktrees} worktree(s), {events} event row(s), {logs} log file(s){files} {}",
        if is_dry { "GC dry run" } else { "GC complete" },
        if is_dry { "would be removed" } else { "removed" }
    );
    if is_dry {
        for place in places.iter().filter(|place| place.kept.is_none()) {
            text.push_str(&format!("\n  - {}  {}  {}", place.task, place.kind, place.path));
        }
    }
    let (in_use, held): (Vec<_>, Vec<_>) =
        places.iter().filter_map(|place| Some((place, place.kept.as_ref()?))).partition(|(_, kept)| kept.is_in_use());
    if !in_use.is_empty() {
        text.push_str(&format!("\nKept {} workspace(s) that their tasks may still need", in_use.len()));
    }
    let notes: Vec<String> = held
        .iter()
        .map(|(place, kept)| {
            format!("kept the {} of {}, `{}`: {}", noun(place.kind), place.task, place.path, kept.detail)
        })
        .collect();
    Reply { notes: notes.join("\n"), ..Reply::text(text) }
}

fn noun(kind: &str) -> &str {
    match kind {
        "scratch" => "workspace",
        "file" => "stored file",
        kind => kind,
    }
}

/// The scratch workspaces. Those of archived and of deleted tasks go.
async fn scratches(board: &Board, at_work: &HashSet<TaskId>, is_dry: bool) -> Result<Vec<Place>, Error> {
    let mut places = Vec::new();
    let root = scratch_root(board.folder());
    let Ok(entries) = fs::read_dir(&root) else { return Ok(places) };
    let mut found = Vec::new();
    let mut tx = board.read().await?;
    for entry in entries {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<TaskId>().ok()) else { continue };
        let status = match tx.task(&id).await {
            Ok(task) => Some(task.status),
            // It was deleted, and left its directory behind.
            Err(Error::Refused(_)) => None,
            Err(fault) => return Err(fault),
        };
        found.push((id, status));
    }
    drop(tx);
    for (task, status) in found {
        let kept = match status {
            _ if at_work.contains(&task) => Kept::new("at_work", "its worker is not gone yet"),
            Some(status) if status != Status::Archived => Kept::new("open_task", format!("its task is {status}")),
            Some(_) | None => {
                let gone = if is_dry { may_remove_scratch(&root, &task) } else { remove_scratch(&root, &task) };
                match gone {
                    Ok(true) => None,
                    Ok(false) => continue,
                    Err(refusal) => Kept::new("not_removed", refusal.to_string()),
                }
            }
        };
        places.push(Place { path: root.join(task.as_str()).display().to_string(), task, kind: "scratch", kept });
    }
    Ok(places)
}

/// The worktrees that tasks were given. Those of tasks that are done or archived go, if all of their work is elsewhere.
async fn worktrees(board: &Board, at_work: &HashSet<TaskId>, is_dry: bool) -> Result<Vec<Place>, Error> {
    let mut places = Vec::new();
    let found = board.read().await?.worktrees().await?;
    for (task, status, path) in found {
        let directory = Path::new(&path);
        if !directory.exists() {
            continue;
        }
        let kept = if at_work.contains(&task) {
            Kept::new("at_work", "its worker is not gone yet")
        } else if !matches!(status, Status::Done | Status::Archived) {
            Kept::new("open_task", format!("its task is {status}"))
        } else {
            unsaved(&task, directory, is_dry).await
        };
        places.push(Place { task, kind: "worktree", path, kept });
    }
    Ok(places)
}

/// The worktrees of tasks that are deleted. They go like those of tasks that are done.
async fn left_worktrees(board: &Board, at_work: &HashSet<TaskId>, is_dry: bool) -> Result<Vec<Place>, Error> {
    let mut places = Vec::new();
    let found = board.read().await?.left_worktrees().await?;
    for (task, path) in found {
        let directory = Path::new(&path);
        let kept = if at_work.contains(&task) {
            Kept::new("at_work", "its worker is not gone yet")
        } else if directory.exists() {
            unsaved(&task, directory, is_dry).await
        } else if is_dry {
            continue;
        } else {
            // Somebody else has removed it, and it is forgotten.
            None
        };
        places.push(Place { task, kind: "worktree", path, kept });
    }
    Ok(places)
}

/// Stored files that no row of the board names: their gateway was killed before it wrote the row, or their task is deleted.
async fn orphans(board: &Board, now: i64, is_dry: bool) -> Result<Vec<Place>, Error> {
    let mut found = Vec::new();
    let folders = match fs::read_dir(board.folder().join("attachments")) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    for folder in folders {
        let folder = folder?;
        let Some(task) = folder.file_name().to_str().and_then(|name| name.parse::<TaskId>().ok()) else { continue };
        if !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            // One that has just been removed is nobody's.
            let Ok(metadata) = file.metadata() else { continue };
            if metadata.is_file() && age(&metadata, now)? > STORING {
                found.push((task.clone(), file.path()));
            }
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // Looked up after the files were: what has a row by now was stored for it. A home that was moved keeps the names.
    let named = board.read().await?.stored_files().await?;
    let named: HashSet<_> = named.iter().filter_map(|path| name_in_store(Path::new(path))).collect();
    let mut places = Vec::new();
    for (task, path) in found {
        if name_in_store(&path).is_some_and(|name| named.contains(&name)) {
            continue;
        }
        let kept = match if is_dry { Ok(()) } else { fs::remove_file(&path) } {
            Ok(()) => None,
            Err(error) => Kept::new("not_removed", error.to_string()),
        };
        places.push(Place { task, kind: "file", path: path.display().to_string(), kept });
    }
    Ok(places)
}

/// A stored file by its task's folder and its own name.
fn name_in_store(path: &Path) -> Option<PathBuf> {
    Some(Path::new(path.parent()?.file_name()?).join(path.file_name()?))
}

/// Removes the worktree of a task, or says why it is kept.
async fn unsaved(task: &TaskId, directory: &Path, is_dry: bool) -> Option<Kept> {
    if directory.file_name().and_then(|name| name.to_str()) != Some(task.as_str()) {
        return Kept::new("not_ours", "it was not made for this task alone; it was left alone");
    }
    match worktree_is_clean(directory).await {
        Ok(Some(lost)) => Kept::new(
            lost.code(),
            format!(
                "it has {lost}; save them, or give them up with `git -C {0} worktree remove --force {0}`",
                directory.display()
            ),
        ),
        Ok(None) if is_dry => None,
        Ok(None) => match remove_worktree(directory).await {
            Ok(()) => None,
            Err(refusal) => Kept::new("not_removed", refusal.to_string()),
        },
        Err(refusal) => Kept::new("unknown", format!("what it holds cannot be told: {refusal}")),
    }
}

fn remove_old_logs(
    folder: &Path,
    at_work: &[String],
    now: i64,
    oldest: Duration,
    is_dry: bool,
) -> Result<usize, Error> {
    let mut removed = 0;
    let Ok(tasks) = fs::read_dir(folder) else { return Ok(0) };
    for task in tasks {
        let task = task?;
        if at_work.iter().any(|id| task.file_name().to_str() == Some(id)) {
            continue;
        }
        let task = task.path();
        let Ok(logs) = fs::read_dir(&task) else { continue };
        for log in logs {
            let log = log?;
            if age(&log.metadata()?, now)? > oldest {
                if !is_dry {
                    fs::remove_file(log.path())?;
                }
                removed += 1;
            }
        }
        if !is_dry {
            // A folder that still holds a log stays.
            let _ = fs::remove_dir(&task);
        }
    }
    Ok(removed)
}

/// The time since a file was written.
fn age(metadata: &Metadata, now: i64) -> io::Result<Duration> {
    let written = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(Duration::from_millis(u64::try_from(now).unwrap_or(0)).saturating_sub(written))
}
