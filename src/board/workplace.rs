//! Workplaces: the directories that tasks were allowed when they were made, and whether one is gone at present.

use serde_json::json;

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        event::Kind,
        id::{ProfileName, TaskId},
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

/// Where a task may work: its own directory, by this root.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Workplace {
    /// The true path of the root below which the task's directory was allowed.
    pub root: String,
    /// Since when the directory is known to be gone.
    pub gone_since: Option<Millis>,
}

impl Tx {
    /// The workplace of a task; none for one that works in a directory of ours, or in one that is made for it.
    pub async fn workplace(&mut self, task: &TaskId) -> Result<Option<Workplace>, Error> {
        Ok(sql!(self, WORKPLACE, task; fetch_optional))
    }

    pub(crate) async fn insert_workplace(&mut self, task: &TaskId, root: &str) -> Result<(), Error> {
        sql!(self, INSERT_WORKPLACE, task, root; execute);
        Ok(())
    }

    /// Notes that a ready task cannot start since its directory is gone. The threads are told once, until it is back.
    pub async fn workplace_gone(&mut self, id: &TaskId, now: Millis) -> Result<(), Error> {
        let task = self.task(id).await?;
        if matches!(task.status, Status::Ready | Status::Review)
            && sql!(self, SET_WORKPLACE_GONE, id, now; execute) == 1
        {
            self.record(Kind::DirectoryGone, &task, None, payload(&task), now).await?;
        }
        Ok(())
    }

    /// Notes that the directory of a task is there again.
    pub async fn workplace_back(&mut self, id: &TaskId, now: Millis) -> Result<(), Error> {
        if sql!(self, SET_WORKPLACE_BACK, id; execute) == 1 {
            let task = self.task(id).await?;
            self.record(Kind::DirectoryBack, &task, None, payload(&task), now).await?;
        }
        Ok(())
    }

    /// The ready tasks whose directory is gone.
    pub async fn without_workplace(&mut self) -> Result<Vec<TaskId>, Error> {
        let rows: Vec<(TaskId,)> = sql!(self, GONE_WORKPLACES; fetch_all);
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Whether a profile has a ready task whose directory is not known to be gone.
    pub async fn has_task_with_place(&mut self, profile: &ProfileName) -> Result<bool, Error> {
        let found: Option<(TaskId,)> = sql!(self, TASK_WITH_PLACE, profile; fetch_optional);
        Ok(found.is_some())
    }
}

fn payload(task: &Task) -> serde_json::Value {
    json!({"directory": task.workspace_path})
}
