//! Looking at tasks: one, a page, and counts.

use crate::{
    board::{
        db::{Tx, sql},
        error::{Error, refuse},
        id::{ProfileName, TaskId},
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Highest first, then oldest first: the order in which tasks start.
    #[default]
    Priority,
    /// The reference's name for lowest first.
    PriorityDesc,
    Created,
    CreatedDesc,
    Status,
    Assignee,
    Title,
    /// Latest start first.
    Updated,
}

/// Which tasks a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<Status>,
    pub assignee: Option<ProfileName>,
    pub tenant: Option<String>,
    pub session: Option<String>,
    pub workflow_template: Option<String>,
    pub step_key: Option<String>,
    /// Archived tasks too.
    pub archived: bool,
    pub order: Order,
    /// Begin behind this task.
    pub after: Option<TaskId>,
}

impl Filter {
    fn is_plain(&self) -> bool {
        self.assignee.is_none()
            && self.tenant.is_none()
            && self.session.is_none()
            && self.workflow_template.is_none()
            && self.step_key.is_none()
            && self.after.is_none()
            && self.order == Order::Priority
    }
}

/// How many tasks there are of each status, by assignee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub status: Status,
    pub assignee: Option<ProfileName>,
    pub tasks: i64,
}

impl Tx {
    pub async fn task(&mut self, id: &TaskId) -> Result<Task, Error> {
        let found: Option<Task> = sql!(self, TASK, id; fetch_optional);
        let Some(task) = found else {
            refuse!(UnknownTask, "no such task: {id}; `kanban list` shows the tasks of this board");
        };
        Ok(task)
    }

    /// At most `limit` tasks.
    pub async fn list(&mut self, filter: &Filter, limit: i64) -> Result<Vec<Task>, Error> {
        if let Some(after) = &filter.after {
            self.task(after).await?;
        }
        // The two lists that people ask for all day walk an index; the others may look at every task.
        if filter.is_plain() && !filter.archived && filter.status.is_none() {
            return Ok(sql!(self, PAGE_OF_BOARD, limit; fetch_all));
        }
        if let (true, Some(status)) = (filter.is_plain(), filter.status) {
            return Ok(sql!(self, PAGE_OF_STATUS, status, limit; fetch_all));
        }
        let statement = match filter.order {
            Order::Priority => LIST_BY_PRIORITY,
            Order::PriorityDesc => LIST_BY_PRIORITY_DESC,
            Order::Created => LIST_BY_CREATED,
            Order::CreatedDesc => LIST_BY_CREATED_DESC,
            Order::Status => LIST_BY_STATUS,
            Order::Assignee => LIST_BY_ASSIGNEE,
            Order::Title => LIST_BY_TITLE,
            Order::Updated => LIST_BY_UPDATED,
        };
        let archived = i64::from(filter.archived || filter.status == Some(Status::Archived));
        Ok(sql!(self, statement, filter.status, archived, filter.assignee.as_ref(), filter.tenant.as_ref(),
            filter.session.as_ref(), filter.workflow_template.as_ref(), filter.step_key.as_ref(), filter.after.as_ref(), limit; fetch_all))
    }

    /// Counts of live tasks, by status and assignee.
    pub async fn counts(&mut self) -> Result<Vec<Count>, Error> {
        let rows: Vec<(Status, Option<ProfileName>, i64)> = sql!(self, COUNTS; fetch_all);
        Ok(rows.into_iter().map(|(status, assignee, tasks)| Count { status, assignee, tasks }).collect())
    }

    /// When the oldest ready task was created.
    pub async fn oldest_ready(&mut self) -> Result<Option<Millis>, Error> {
        let (oldest,): (Option<Millis>,) = sql!(self, OLDEST_READY; fetch_one);
        Ok(oldest)
    }

    /// The latest summary that any run of a task left.
    pub async fn latest_summary(&mut self, id: &TaskId) -> Result<Option<String>, Error> {
        let found: Option<(String,)> = sql!(self, LATEST_SUMMARY, id; fetch_optional);
        Ok(found.map(|(summary,)| summary))
    }

    /// The latest completed runs of a profile's other tasks of the same tenant.
    pub async fn recent_of_profile(&mut self, task: &Task) -> Result<Vec<crate::board::run::Run>, Error> {
        Ok(sql!(self, RECENT_BY_PROFILE, task.assignee.as_ref(), &task.id, task.tenant.as_ref(); fetch_all))
    }

    /// The latest completed run of a task.
    pub async fn last_completed_run(&mut self, id: &TaskId) -> Result<Option<crate::board::run::Run>, Error> {
        Ok(sql!(self, LAST_COMPLETED_RUN, id; fetch_optional))
    }

    /// Live tasks whose id or title has these words, newest first, at most 25.
    pub async fn suggest_tasks(&mut self, typed: &str) -> Result<Vec<Task>, Error> {
        let typed = typed.to_lowercase().replace(['%', '_'], "");
        Ok(sql!(self, SUGGEST_TASKS, format!("%{typed}%"), format!("%{typed}%"); fetch_all))
    }

    pub async fn tenants(&mut self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = sql!(self, TENANTS; fetch_all);
        Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
    }

    /// A setting of the board itself.
    pub async fn meta(&mut self, key: &str) -> Result<Option<String>, Error> {
        let found: Option<(String,)> = sql!(self, META_VALUE, key; fetch_optional);
        Ok(found.map(|(value,)| value))
    }

    pub async fn all_meta(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(sql!(self, META; fetch_all))
    }

    pub async fn set_meta(&mut self, key: &str, value: Option<&str>) -> Result<(), Error> {
        match value {
            Some(value) => sql!(self, SET_META, key, value; execute),
            None => sql!(self, DELETE_META, key; execute),
        };
        self.wakes_dispatcher();
        Ok(())
    }

    /// Forgets what is no longer needed: events of ended tasks, acknowledgements and sent posts, all older than a time.
    /// Answers how many events went.
    pub async fn forget(&mut self, before: Millis) -> Result<u64, Error> {
        let events = sql!(self, DELETE_OLD_EVENTS, before; execute);
        sql!(self, DELETE_OLD_RECEIPTS, before; execute);
        sql!(self, DELETE_OLD_DELIVERIES, before; execute);
        Ok(events)
    }
}
