//! Threads, and what each of them follows.

use kanban_platform::Thread;

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::{ProfileName, TaskId},
        statements::*,
    },
    clock::Millis,
};

/// What a thread follows: a task, or all tasks of the board that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    pub task: Option<TaskId>,
    pub assignee: Option<ProfileName>,
    pub tenant: Option<String>,
    /// The kinds of events to hear of; the usual ones when none.
    pub kinds: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Watch {
    pub id: i64,
    pub task_id: Option<TaskId>,
    #[sqlx(flatten)]
    place: Place,
    pub assignee: Option<ProfileName>,
    pub tenant: Option<String>,
    pub kinds: Option<String>,
    pub user_id: Option<String>,
    pub since_event: i64,
    pub created_at: Millis,
    /// Why the thread gets nothing at present.
    pub parked_reason: Option<String>,
}

impl Watch {
    pub fn thread(&self) -> Thread {
        self.place.thread()
    }
}

/// A thread as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Place {
    platform: String,
    space: String,
    channel: String,
    /// Empty for the channel itself.
    thread: String,
}

impl Place {
    pub(crate) fn thread(&self) -> Thread {
        Thread {
            platform: self.platform.clone(),
            space: self.space.clone(),
            channel: self.channel.clone(),
            thread: Some(self.thread.clone()).filter(|thread| !thread.is_empty()),
        }
    }
}

impl Tx {
    /// The number of a thread that somebody has just used: one that was parked is alive again.
    pub(crate) async fn thread_id(&mut self, thread: &Thread, now: Millis) -> Result<i64, Error> {
        let (id, parked_at): (i64, Option<Millis>) = sql!(self, THREAD_ID, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""), now; fetch_one);
        if parked_at.is_some() {
            self.revive_thread(id).await?;
        }
        Ok(id)
    }

    /// Lets a thread follow a task or the board from now on: nothing that happened before is told.
    /// Answers whether it is new.
    pub async fn watch(
        &mut self,
        thread: &Thread,
        following: &Following,
        user: Option<&str>,
        now: Millis,
    ) -> Result<bool, Error> {
        if let Some(task) = &following.task {
            self.task(task).await?;
        }
        let thread = self.thread_id(thread, now).await?;
        let kinds = following.kinds.as_ref().map(|kinds| kinds.join(","));
        let added = sql!(self, INSERT_WATCH, thread, following.task.as_ref(), following.assignee.as_ref(),
            following.tenant.as_ref(), kinds.as_ref(), user, now; execute);
        if added == 0 {
            sql!(self, SET_WATCH_KINDS, thread, following.task.as_ref(), following.assignee.as_ref(),
                following.tenant.as_ref(), kinds.as_ref(); execute);
        }
        self.wakes_notifier();
        Ok(added == 1)
    }

    /// Ends what a thread follows: one task, or (none) the board. Answers how many watches went.
    pub async fn unwatch(&mut self, thread: &Thread, task: Option<&TaskId>) -> Result<u64, Error> {
        let found: Option<(i64,)> = sql!(self, FIND_THREAD, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_optional);
        let Some((thread,)) = found else { return Ok(0) };
        Ok(sql!(self, DELETE_WATCH, thread, task; execute))
    }

    /// Every watch of the board, oldest first.
    pub async fn watches(&mut self) -> Result<Vec<Watch>, Error> {
        Ok(sql!(self, ALL_WATCHES; fetch_all))
    }
}
