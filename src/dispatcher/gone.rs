//! Directories that are gone: their tasks stay ready, spend no attempt, and start when the directory is back.

use std::path::{Path, PathBuf};

use super::{
    Dispatcher,
    workspace::{Closed, Opened},
};
use crate::board::{
    Board, Error, TaskId, Tx,
    task::{Task, WorkspaceKind},
};

impl Dispatcher {
    /// Whether a task cannot start since its directory is gone. The board learns of each change, once.
    pub(super) async fn has_no_directory(&mut self, board: &Board, task: &Task, is_dry: bool) -> Result<bool, Error> {
        if task.workspace_kind == WorkspaceKind::Scratch {
            return Ok(false);
        }
        let Some(workplace) = board.read().await?.workplace(&task.id).await? else { return Ok(false) };
        let is_gone = matches!(opened(&workplace.root, task), Some(Err(Closed::Gone(_))));
        self.awaits_directory |= is_gone;
        if is_gone == workplace.gone_since.is_some() || is_dry {
            return Ok(is_gone);
        }
        let now = self.desk.now();
        let mut tx = board.write().await?;
        if is_gone {
            tx.workplace_gone(&task.id, now).await?;
        } else {
            tx.workplace_back(&task.id, now).await?;
        }
        tx.commit().await?;
        Ok(is_gone)
    }
}

/// The directory of a task as it is now; none for a task that was given no directory that was there.
pub(super) async fn directory_of(board: &Board, task: &Task) -> Result<Option<Result<Opened, Closed>>, Error> {
    let workplace = board.read().await?.workplace(&task.id).await?;
    Ok(workplace.and_then(|workplace| opened(&workplace.root, task)))
}

/// Whether the directory of a run's task is gone, so that its failure to start is no fault of the task.
pub(super) async fn is_gone(board: &Board, id: &TaskId) -> bool {
    let found = async {
        let mut tx = board.read().await?;
        let task = tx.task(id).await?;
        Ok::<_, Error>(tx.workplace(id).await?.and_then(|workplace| opened(&workplace.root, &task)))
    };
    matches!(found.await, Ok(Some(Err(Closed::Gone(_)))))
}

/// Whether a ready task cannot start since its directory is not there, as a look would find.
pub async fn is_without_directory(tx: &mut Tx, task: &Task) -> Result<bool, Error> {
    if task.workspace_kind == WorkspaceKind::Scratch {
        return Ok(false);
    }
    let workplace = tx.workplace(&task.id).await?;
    Ok(matches!(workplace.and_then(|workplace| opened(&workplace.root, task)), Some(Err(Closed::Gone(_)))))
}

fn opened(root: &str, task: &Task) -> Option<Result<Opened, Closed>> {
    let path = PathBuf::from(task.workspace_path.as_ref()?);
    Some(Opened::below(Path::new(root), &path))
}
