//! Where a worker works: a scratch directory of ours, a directory of a person, or a git worktree of its own.

mod git;
mod opened;
mod program;
mod reach;
mod scratch;
mod supplies;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use self::{
    git::{Unsaved, remove_worktree, repository_around, worktree_is_clean},
    opened::{Closed, Opened, root_above, true_roots},
    reach::{Reach, allowed},
    scratch::{may_remove_scratch, remove_scratch},
    supplies::{Supply, lay_out},
};
use crate::board::{
    id::TaskId,
    task::{Task, WorkspaceKind},
};

/// Refuses a worktree of nothing; `{program}` is how the reader types the program.
pub const NO_REPOSITORY: &str = "a worktree needs a repository; name one with \
    `--workspace worktree:/path/to/repository`, or set the board's with \
    `{program} boards set-default-workdir BOARD /path/to/repository`";

/// Why a workspace cannot be used, in words for the person who asked for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    fn no_parent(path: &Path, parent: &Path) -> Self {
        Self(format!(
            "`{}` does not exist, and neither does `{}`; check the spelling, or run `mkdir -p {}`",
            path.display(),
            parent.display(),
            parent.display()
        ))
    }

    fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Self(format!("cannot {what} `{}`: {error}", path.display()))
    }
}

/// The kind of place that a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workspace {
    /// A fresh directory below the board's own, removed with the task.
    Scratch,
    /// A directory of a person, used as it is.
    Dir(PathBuf),
    /// A git worktree on a branch of its own, made by us and kept.
    Worktree {
        /// A path inside the repository; the board's directory if absent.
        path: Option<PathBuf>,
        /// `kanban/<task>` if absent.
        branch: Option<String>,
    },
}

impl Workspace {
    /// The kind of place that a task asks for.
    pub fn of(task: &Task) -> Self {
        let path = task.workspace_path.as_ref().map(PathBuf::from);
        match task.workspace_kind {
            WorkspaceKind::Scratch => Self::Scratch,
            WorkspaceKind::Dir => Self::Dir(path.unwrap_or_default()),
            WorkspaceKind::Worktree => Self::Worktree { path, branch: task.branch_name.clone() },
        }
    }

    /// Makes the place ready and answers its absolute path. On a rerun the place of the last run is used again.
    ///
    /// # Errors
    /// With a refusal that says what is wrong and what would work.
    pub async fn prepare(
        &self,
        board_dir: &Path,
        default_dir: Option<&Path>,
        task: &TaskId,
    ) -> Result<PathBuf, Refusal> {
        match self {
            Self::Scratch => scratch::prepare(&scratch_root(board_dir), task),
            Self::Dir(path) => prepare_directory(path),
            Self::Worktree { path, branch } => {
                let base = path
                    .as_deref()
                    .or(default_dir)
                    .ok_or_else(|| Refusal::new(NO_REPOSITORY.replace("{program}", "kanban")))?;
                git::prepare(base, branch.as_deref(), task).await
            }
        }
    }
}

/// The directory whose entries are the scratch workspaces of a board.
pub fn scratch_root(board_dir: &Path) -> PathBuf {
    board_dir.join("workspaces")
}

fn prepare_directory(path: &Path) -> Result<PathBuf, Refusal> {
    require_absolute(path, "dir")?;
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            return Err(Refusal::new(format!("`{}` is a file; `dir:` needs a directory", path.display())));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_below_parent(path)?,
        Err(error) => return Err(Refusal::io("use", path, &error)),
    }
    fs::canonicalize(path).map_err(|error| Refusal::io("use", path, &error))
}

/// Makes the last part of a path alone: a missing parent is a misspelling more often than a wish.
fn make_below_parent(path: &Path) -> Result<(), Refusal> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if !parent.is_dir() {
        return Err(Refusal::no_parent(path, parent));
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Refusal::io("make", path, &error)),
        _ => Ok(()),
    }
}

fn require_absolute(path: &Path, kind: &str) -> Result<(), Refusal> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "`{kind}:{}` is not an absolute path; write it from the root, as in `{kind}:/srv/project`",
        path.display()
    )))
}
