//! Artifacts: the files that a worker hands over with its work. They are copied before the board changes, so that a hand-off
//! refers to nothing that is not stored, and what is refused leaves no copy behind.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use serde_json::Value;

use super::attach::Stored;
use crate::{
    board::{
        Board, Error, Reason, TaskId,
        attachment::{ATTACHMENT_LIMIT, Artifact},
        error::refuse,
        task::{Task, WorkspaceKind},
    },
    command::{
        caller::{Caller, Place},
        value::JsonObject,
    },
    dispatcher::workspace::{Opened, scratch_root},
};

/// As many files, and as many bytes in all, may be handed over at once.
const ARTIFACT_COUNT: usize = 32;
const ARTIFACT_TOTAL: u64 = 4 * ATTACHMENT_LIMIT;

/// The files of a hand-off, copied and not yet referred to.
pub(in crate::command) struct Stores(Vec<Stored>);

impl Stores {
    pub(in crate::command) fn keep(self) {
        self.0.into_iter().for_each(Stored::keep);
    }

    pub(super) fn artifacts(&self) -> Vec<Artifact> {
        self.0.iter().map(Stored::artifact).collect()
    }
}

/// Copies the files that are declared with a hand-off: by `--artifact`, or in the metadata as a list of paths.
pub(super) async fn store(
    caller: &Caller,
    board: &Board,
    tasks: &[TaskId],
    paths: &[PathBuf],
    metadata: Option<&JsonObject>,
) -> Result<Stores, Error> {
    let mut declared = paths.to_vec();
    declared.extend(in_metadata(caller, metadata));
    let mut known = HashSet::new();
    // `a` and `./a` are one file.
    declared.retain(|path| known.insert(path.components().collect::<PathBuf>()));
    if declared.is_empty() {
        return Ok(Stores(Vec::new()));
    }
    let [task] = tasks else {
        refuse!(Usage, "files belong to one task; complete the tasks one at a time, or leave `--artifact` out");
    };
    if declared.len() > ARTIFACT_COUNT {
        refuse!(
            TooMuch,
            "{ARTIFACT_COUNT} files may be handed over at once, these are {}; pack them into one archive",
            declared.len()
        );
    }
    let workspace = workspace(caller, board, task).await?;
    let (board, task) = (board.clone(), task.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&board, &task, &workspace, &declared)).await;
    copied.unwrap_or_else(|_| Err(Error::refused(Reason::Invalid, "the files could not be copied; try again")))
}

fn copy(board: &Board, task: &TaskId, workspace: &Path, declared: &[PathBuf]) -> Result<Stores, Error> {
    let opened = Opened::below(Path::new("/"), workspace)
        .map_err(|closed| Error::refused(Reason::Invalid, format!("no file can be handed over: {closed}")))?;
    let mut stores = Stores(Vec::new());
    let mut total = 0;
    for path in declared {
        let shown = path.display();
        let file = opened.file(path).map_err(|error| refused(path, workspace, error))?;
        let stored = Stored::copy(file, &shown.to_string(), path, None, board, task)?;
        total += stored.size();
        stores.0.push(stored);
        if total > ARTIFACT_TOTAL {
            refuse!(
                TooMuch,
                "{ARTIFACT_TOTAL} bytes may be handed over at once, and with `{shown}` these are {total}; nothing was changed"
            );
        }
    }
    Ok(stores)
}

fn refused(path: &Path, workspace: &Path, error: Errno) -> Error {
    let shown = path.display();
    match error {
        Errno::NOENT | Errno::NOTDIR => Error::refused(
            Reason::Unknown,
            format!("no such file: `{shown}` in `{}`; nothing was changed", workspace.display()),
        ),
        Errno::XDEV | Errno::LOOP => Error::refused(
            Reason::Forbidden,
            format!(
                "`{shown}` is outside of the workspace `{}`, or leads out of it; copy it there first; nothing was changed",
                workspace.display()
            ),
        ),
        error => Error::refused(
            Reason::Invalid,
            format!("`{shown}` cannot be read: {}; nothing was changed", std::io::Error::from(error)),
        ),
    }
}

/// What a worker, or an owner at this machine, names in the metadata. Addresses are no files.
fn in_metadata(caller: &Caller, metadata: Option<&JsonObject>) -> Vec<PathBuf> {
    if caller.thread().is_some() {
        return Vec::new();
    }
    let Some(Value::Array(listed)) = metadata.and_then(|metadata| metadata.0.get("artifacts")) else {
        return Vec::new();
    };
    let all: Option<Vec<&str>> = listed.iter().map(Value::as_str).collect();
    let is_path = |text: &&str| !text.is_empty() && !text.contains("://");
    all.unwrap_or_default().into_iter().filter(is_path).map(PathBuf::from).collect()
}

/// Where the files of a task lie.
async fn workspace(caller: &Caller, board: &Board, id: &TaskId) -> Result<PathBuf, Error> {
    let workspace = match &caller.place {
        Place::Thread(_) => refuse!(
            Forbidden,
            "files of this machine cannot be handed over from a chat; send them along with a message, or run `kanban complete` on the machine"
        ),
        // What was its true path when the run began; a link put in its place since then is not followed.
        Place::Worker { workspace, .. } => workspace.clone(),
        Place::Terminal { .. } => {
            let mut tx = board.read().await?;
            let task = tx.task(id).await?;
            let of_run = match task.current_run {
                Some(run) => tx.run(run).await?.workspace,
                None => None,
            };
            let named = of_run.map_or_else(|| of_task(board, &task), PathBuf::from);
            std::fs::canonicalize(&named).unwrap_or(named)
        }
    };
    if workspace.as_os_str().is_empty() {
        refuse!(Invalid, "{id} has no workspace yet, so no file can be handed over with it");
    }
    Ok(workspace)
}

fn of_task(board: &Board, task: &Task) -> PathBuf {
    match (task.workspace_kind, &task.workspace_path) {
        (WorkspaceKind::Scratch, None) => scratch_root(board.folder()).join(task.id.as_str()),
        (_, path) => path.as_ref().map(PathBuf::from).unwrap_or_default(),
    }
}
