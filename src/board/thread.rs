//! Threads, and what each of them follows.

use kanban_platform::Thread;

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::{ProfileName, TaskId},
        policy::Policy,
        statements::*,
        task::Task,
    },
    clock::Millis,
};

/// What a thread follows: a task, or all tasks of the board that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    pub task: Option<TaskId>,
    pub assignee: Option<ProfileName>,
    pub tenant: Option<String>,
    /// The kinds of events to hear of; those of the policy when none.
    pub kinds: Option<Vec<String>>,
    pub policy: Policy,
}

/// Why a thread follows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody asked for it.
    Asked,
    /// The task was created there.
    Created,
    /// It is the task's own.
    Own,
    /// A worker of this task, which the thread follows, made it.
    Parent(String),
}

impl Why {
    fn stored(&self) -> Option<String> {
        match self {
            Self::Asked => None,
            Self::Created => Some("created".to_owned()),
            Self::Own => Some("own".to_owned()),
            Self::Parent(task) => Some(format!("parent:{task}")),
        }
    }

    fn read(text: Option<&str>) -> Self {
        match text {
            Some("created") => Self::Created,
            Some("own") => Self::Own,
            Some(text) => text.strip_prefix("parent:").map_or(Self::Asked, |task| Self::Parent(task.to_owned())),
            None => Self::Asked,
        }
    }
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
    policy: Option<String>,
    reason: Option<String>,
    pub user_id: Option<String>,
    pub since_event: i64,
    pub created_at: Millis,
    /// Why the thread gets nothing at present.
    pub parked_reason: Option<String>,
}

impl Watch {
    pub fn policy(&self) -> Policy {
        Policy::read(self.policy.as_deref())
    }

    pub fn why(&self) -> Why {
        Why::read(self.reason.as_deref())
    }

    pub fn thread(&self) -> Thread {
        self.place.thread()
    }
}

/// A thread with its number.
#[derive(sqlx::FromRow)]
struct Numbered {
    id: i64,
    #[sqlx(flatten)]
    place: Place,
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
        let is_new = self.follow(thread, following, &Why::Asked, user, now).await?;
        if !is_new {
            let kinds = following.kinds.as_ref().map(|kinds| kinds.join(","));
            sql!(self, SET_WATCH, thread, following.task.as_ref(), following.assignee.as_ref(), following.tenant.as_ref(),
                kinds, following.policy.as_str(), Why::Asked.stored(), user; execute);
        }
        self.wakes_notifier();
        Ok(is_new)
    }

    /// The same for one task, where a thread that follows it already keeps to what it has chosen before.
    pub async fn watch_unless_followed(
        &mut self,
        thread: &Thread,
        task: &TaskId,
        why: &Why,
        user: Option<&str>,
        now: Millis,
    ) -> Result<bool, Error> {
        let thread = self.thread_id(thread, now).await?;
        let following = Following { task: Some(task.clone()), ..Following::default() };
        self.follow(thread, &following, why, user, now).await
    }

    /// Adds a watch, unless there is one. Answers whether it is new.
    pub(crate) async fn follow(
        &mut self,
        thread: i64,
        following: &Following,
        why: &Why,
        user: Option<&str>,
        now: Millis,
    ) -> Result<bool, Error> {
        let kinds = following.kinds.as_ref().map(|kinds| kinds.join(","));
        let added = sql!(self, INSERT_WATCH, thread, following.task.as_ref(), following.assignee.as_ref(),
            following.tenant.as_ref(), kinds, following.policy.as_str(), why.stored(), user, now; execute);
        Ok(added == 1)
    }

    /// Lets the threads that follow a task follow one that its worker has made, each with a card of it.
    pub(crate) async fn inherit_watches(&mut self, parent: &TaskId, child: &Task, now: Millis) -> Result<(), Error> {
        if sql!(self, INHERIT_WATCHES, parent, &child.id, now; execute) == 0 {
            return Ok(());
        }
        let followers: Vec<Numbered> = sql!(self, FOLLOWERS_OF, &child.id; fetch_all);
        for follower in followers {
            if !self.has_card(follower.id, &child.id).await? {
                self.post_card(follower.id, &follower.place.thread(), child, now).await?;
            }
        }
        Ok(())
    }

    /// Ends what a thread follows: one task, or (none) the board, or of the board what fits a profile or a tenant.
    /// Answers how many watches went.
    pub async fn unwatch(
        &mut self,
        thread: &Thread,
        task: Option<&TaskId>,
        assignee: Option<&ProfileName>,
        tenant: Option<&str>,
    ) -> Result<u64, Error> {
        let found: Option<(i64,)> = sql!(self, FIND_THREAD, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_optional);
        let Some((thread,)) = found else { return Ok(0) };
        if task.is_some() {
            sql!(self, DELETE_CARD_OF, thread, task; execute);
        }
        Ok(sql!(self, DELETE_WATCH, thread, task, assignee, tenant; execute))
    }

    /// Every watch of the board, oldest first.
    pub async fn watches(&mut self) -> Result<Vec<Watch>, Error> {
        Ok(sql!(self, ALL_WATCHES; fetch_all))
    }
}
