//! Links between tasks: a child waits for its parents.

use serde_json::json;

use crate::{
    board::{
        actor::Actor,
        claim::list,
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::TaskId,
        moves::Action,
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

impl Tx {
    /// Makes `child` wait for `parent`. Linking twice changes nothing.
    pub async fn link(&mut self, actor: &Actor, parent: &TaskId, child: &TaskId, now: Millis) -> Result<(), Error> {
        self.fence_steering(actor, parent).await?;
        self.fence_steering(actor, child).await?;
        if parent == child {
            refuse!(Cycle, "a task cannot depend on itself: {parent}");
        }
        let mut unknown = Vec::new();
        let above: Option<Task> = sql!(self, TASK, parent; fetch_optional);
        let below: Option<Task> = sql!(self, TASK, child; fetch_optional);
        if above.is_none() {
            unknown.push(parent.clone());
        }
        if below.is_none() {
            unknown.push(child.clone());
        }
        let (Some(above), Some(below)) = (above, below) else {
            refuse!(
                UnknownTask,
                "unknown task(s): {}; `{{kanban}} list` shows the tasks of this board",
                list(&unknown)
            );
        };
        let back: Option<(String,)> = sql!(self, REACHES, child, parent; fetch_optional);
        if back.is_some() {
            refuse!(Cycle, "linking {parent} -> {child} would create a cycle");
        }
        if sql!(self, INSERT_LINK, parent, child; execute) == 0 {
            return Ok(());
        }
        // One that waits for some of its parents alone may have enough already.
        let waits = Action::ParentAdded.allowed_in(below.status)
            && !below.parents_waived
            && !above.status.satisfies_children()
            && !self.open_parents(child).await?.is_empty();
        let mut payload = json!({"parent": parent, "child": child});
        if waits {
            sql!(self, SET_STATUS, child, Status::Todo; execute);
            payload["status"] = json!(Status::Todo);
        }
        self.record(Kind::Linked, &below, None, payload, now).await?;
        Ok(())
    }

    pub async fn unlink(&mut self, actor: &Actor, parent: &TaskId, child: &TaskId, now: Millis) -> Result<(), Error> {
        self.fence_steering(actor, parent).await?;
        self.fence_steering(actor, child).await?;
        if sql!(self, DELETE_LINK, parent, child; execute) == 0 {
            refuse!(Unknown, "no such link: {parent} -> {child}; `{{kanban}} show {child}` lists its parents");
        }
        let task = self.task(child).await?;
        self.record(Kind::Unlinked, &task, None, json!({"parent": parent, "child": child}), now).await?;
        if Action::ParentsSatisfied.allowed_in(task.status) && self.open_parents(child).await?.is_empty() {
            sql!(self, SET_STATUS, child, Status::Ready; execute);
            self.record(Kind::Promoted, &task, None, serde_json::Value::Null, now).await?;
            self.wakes_dispatcher();
        }
        Ok(())
    }

    pub async fn parents(&mut self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        let rows: Vec<(TaskId,)> = sql!(self, PARENTS, id; fetch_all);
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    pub async fn children(&mut self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        let rows: Vec<(TaskId,)> = sql!(self, CHILDREN, id; fetch_all);
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The parents that a task still waits for.
    pub async fn open_parents(&mut self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        let rows: Vec<(TaskId,)> = sql!(self, OPEN_PARENTS, id; fetch_all);
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Makes the children ready that waited for this task alone. Part of whatever ends the task.
    pub(crate) async fn promote_children(&mut self, parent: &TaskId, now: Millis) -> Result<Vec<TaskId>, Error> {
        let rows: Vec<(TaskId,)> = sql!(self, PROMOTE_CHILDREN, parent; fetch_all);
        let mut promoted = Vec::with_capacity(rows.len());
        for (id,) in rows {
            let task = self.task(&id).await?;
            self.record(Kind::Promoted, &task, None, serde_json::Value::Null, now).await?;
            self.cancel_rest(&task, now).await?;
            promoted.push(id);
        }
        if !promoted.is_empty() {
            self.wakes_dispatcher();
        }
        Ok(promoted)
    }
}
