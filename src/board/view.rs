//! Looking at tasks: one, a page, and counts.

use kanban_platform::Thread;

use crate::{
    board::{
        budget::SPENT,
        db::{Tx, sql},
        error::{Error, Reason},
        id::{ProfileName, TaskId},
        run::Run,
        statements::*,
        task::{Status, Task, WorkspaceKind},
        thread::{Place, Watch},
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
    /// Only tasks of nobody; overrides `assignee`.
    pub unassigned: bool,
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
            && !self.unassigned
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

/// What the tasks of one status are held for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldCount {
    pub status: Status,
    pub questions: i64,
    pub spent: i64,
    /// Those whose attempts are used up, with those whose budget is spent.
    pub given_up: i64,
}

/// A task that is being worked on.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Running {
    pub task_id: TaskId,
    pub run_id: i64,
    pub profile: Option<ProfileName>,
    /// When a claim by hand ends; none for a worker.
    pub claim_expires: Option<Millis>,
    pub workspace_kind: WorkspaceKind,
    pub workspace_path: Option<String>,
    /// Where its run works, once that is settled.
    pub run_workspace: Option<String>,
    pub holder: String,
    pub started_at: Millis,
    pub last_heartbeat_at: Option<Millis>,
    pub tenant: Option<String>,
}

/// What an ended parent hands on to its children.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HandedOn {
    pub task_id: TaskId,
    pub status: Status,
    pub completed_at: Option<Millis>,
    pub result: Option<String>,
    pub tenant: Option<String>,
    /// Of its latest completed run, where there is one.
    pub ended_at: Option<Millis>,
    pub profile: Option<ProfileName>,
    pub summary: Option<String>,
    pub metadata: Option<String>,
}

/// A task that something may be wrong with, and when the signs of it were seen.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Symptom {
    pub task_id: TaskId,
    pub title: String,
    pub status: Status,
    pub assignee: Option<ProfileName>,
    pub failures: i64,
    pub last_error: Option<String>,
    pub block_reason: Option<String>,
    pub not_before: Option<Millis>,
    pub workspace_kind: WorkspaceKind,
    pub workspace_path: Option<String>,
    pub times: i64,
    pub first_at: Millis,
    pub last_at: Millis,
    pub run_id: Option<i64>,
}

/// Posts that wait for a thread which cannot be written to.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldUp {
    pub task_id: Option<TaskId>,
    #[sqlx(flatten)]
    place: Place,
    pub posts: i64,
    pub oldest: Millis,
    pub parked_at: Millis,
    pub parked_reason: Option<String>,
    pub title: Option<String>,
    pub status: Option<Status>,
    pub assignee: Option<ProfileName>,
}

impl HeldUp {
    pub fn thread(&self) -> Thread {
        self.place.thread()
    }
}

impl Tx {
    pub async fn task(&mut self, id: &TaskId) -> Result<Task, Error> {
        let found: Option<Task> = sql!(self, TASK, id; fetch_optional);
        found.ok_or_else(|| unknown(id))
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
        let assignee = if filter.unassigned { Some("") } else { filter.assignee.as_ref().map(ProfileName::as_str) };
        let archived = i64::from(filter.archived || filter.status == Some(Status::Archived));
        Ok(sql!(self, statement, filter.status, archived, assignee, filter.tenant.as_ref(),
            filter.session.as_ref(), filter.workflow_template.as_ref(), filter.step_key.as_ref(), filter.after.as_ref(), limit; fetch_all))
    }

    /// Counts of live tasks, by status and assignee.
    pub async fn counts(&mut self) -> Result<Vec<Count>, Error> {
        let rows: Vec<(Status, Option<ProfileName>, i64)> = sql!(self, COUNTS; fetch_all);
        Ok(rows.into_iter().map(|(status, assignee, tasks)| Count { status, assignee, tasks }).collect())
    }

    /// Counts of the tasks that wait, by status and assignee.
    pub async fn waiting(&mut self) -> Result<Vec<Count>, Error> {
        let rows: Vec<(Status, Option<ProfileName>, i64)> = sql!(self, WAITING; fetch_all);
        Ok(rows.into_iter().map(|(status, assignee, tasks)| Count { status, assignee, tasks }).collect())
    }

    /// What tasks in triage and blocked ones are held for.
    pub async fn held(&mut self) -> Result<Vec<HeldCount>, Error> {
        Ok(sql!(self, HELD, SPENT; fetch_all))
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

    /// The latest completed runs of a profile's other tasks of the same tenant, as far as the last five hundred reach.
    pub async fn recent_of_profile(&mut self, task: &Task) -> Result<Vec<Run>, Error> {
        Ok(sql!(self, RECENT_BY_PROFILE, task.assignee.as_ref(), &task.id, task.tenant.as_ref(); fetch_all))
    }

    /// The latest completed run of a task.
    pub async fn last_completed_run(&mut self, id: &TaskId) -> Result<Option<Run>, Error> {
        Ok(sql!(self, LAST_COMPLETED_RUN, id; fetch_optional))
    }

    /// Live tasks whose id or title has these words, newest first, at most 25.
    pub async fn suggest_tasks(&mut self, typed: &str) -> Result<Vec<Task>, Error> {
        let typed = typed.to_lowercase().replace(['%', '_'], "");
        Ok(sql!(self, SUGGEST_TASKS, format!("%{typed}%"), format!("%{typed}%"); fetch_all))
    }

    /// The tasks that a person made and that are not ended, the first 20. The person is written `platform:id`.
    pub async fn open_tasks_of(&mut self, person: &str) -> Result<Vec<Task>, Error> {
        Ok(sql!(self, OPEN_TASKS_OF, person; fetch_all))
    }

    pub async fn tenants(&mut self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = sql!(self, TENANTS; fetch_all);
        Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
    }

    /// What is being worked on, longest first.
    pub async fn running(&mut self) -> Result<Vec<Running>, Error> {
        Ok(sql!(self, RUNNING; fetch_all))
    }

    pub async fn count_events_of(&mut self, task: &TaskId) -> Result<i64, Error> {
        let (count,): (i64,) = sql!(self, COUNT_EVENTS_OF, task; fetch_one);
        Ok(count)
    }

    /// What the ended parents of a task hand on to it.
    pub async fn hand_offs(&mut self, task: &TaskId) -> Result<Vec<HandedOn>, Error> {
        Ok(sql!(self, HAND_OFFS, task; fetch_all))
    }

    /// The watches through which threads hear of a task, those of the whole board among them.
    pub async fn watches_of_task(&mut self, task: &Task) -> Result<Vec<Watch>, Error> {
        Ok(sql!(self, WATCHES_OF_TASK, &task.id, task.assignee.as_ref(), task.tenant.as_ref(); fetch_all))
    }

    pub async fn watches_of_thread(&mut self, thread: &Thread) -> Result<Vec<Watch>, Error> {
        Ok(sql!(self, WATCHES_OF_THREAD, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_all))
    }

    /// Live tasks with failed runs that nothing has made good since.
    pub async fn failing(&mut self) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, FAILING; fetch_all))
    }

    /// Live tasks whose latest runs crashed, so many in a row or more.
    pub async fn crashing(&mut self, at_least: i64) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, CRASHING, at_least; fetch_all))
    }

    /// Tasks that have been blocked since a time or longer.
    pub async fn blocked_for_long(&mut self, since: Millis) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, BLOCKED_FOR_LONG, since; fetch_all))
    }

    /// Live tasks that were blocked so many times or more since a time.
    pub async fn blocked_often(&mut self, since: Millis, at_least: i64) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, BLOCKED_OFTEN, since, at_least; fetch_all))
    }

    /// Tasks that have been ready to start since a time or longer.
    pub async fn ready_for_long(&mut self, since: Millis) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, READY_FOR_LONG, since; fetch_all))
    }

    pub async fn unassigned_ready(&mut self) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, UNASSIGNED_READY; fetch_all))
    }

    pub async fn live_of_assignee(&mut self, assignee: &ProfileName) -> Result<Vec<Symptom>, Error> {
        Ok(sql!(self, LIVE_OF_ASSIGNEE, assignee; fetch_all))
    }

    /// Posts that wait for parked threads, by thread and task.
    pub async fn held_up(&mut self) -> Result<Vec<HeldUp>, Error> {
        Ok(sql!(self, HELD_UP; fetch_all))
    }

    /// A setting of the board itself.
    pub async fn meta(&mut self, key: &str) -> Result<Option<String>, Error> {
        let found: Option<(String,)> = sql!(self, META_VALUE, key; fetch_optional);
        Ok(found.map(|(value,)| value))
    }

    pub async fn all_meta(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(sql!(self, META; fetch_all))
    }

    /// Whether the board is hidden from all but owners and those whom a grant names it to.
    pub async fn is_private(&mut self) -> Result<bool, Error> {
        Ok(self.meta(PRIVATE).await?.is_some())
    }

    pub async fn set_private(&mut self, is_private: bool) -> Result<(), Error> {
        self.set_meta(PRIVATE, is_private.then_some("on")).await
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
    /// Posts whose buttons still work stay. Answers how many events went.
    pub async fn forget(&mut self, before: Millis, now: Millis) -> Result<u64, Error> {
        let events = sql!(self, DELETE_OLD_EVENTS, before; execute);
        sql!(self, DELETE_OLD_RECEIPTS, before; execute);
        sql!(self, DELETE_OLD_CARDS, before; execute);
        sql!(self, DELETE_OLD_DELIVERIES, before, now; execute);
        sql!(self, DELETE_OLD_MESSAGES, before; execute);
        sql!(self, DELETE_OLD_TURNS, before; execute);
        Ok(events)
    }
}

/// Under this key a board keeps that it is private.
const PRIVATE: &str = "private";

/// The refusal of an id that no task has.
pub(crate) fn unknown(id: &TaskId) -> Error {
    Error::refused(Reason::UnknownTask, format!("no such task: {id}; `{{kanban}} list` shows the tasks of this board"))
}
