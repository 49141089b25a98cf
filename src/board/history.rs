//! Recording what happened, and telling the threads that follow the task, in one go.

use kanban_platform::{Block, Post, PostKind};
use serde_json::Value;

use crate::{
    board::{
        announcement,
        attachment::Attachment,
        db::{Tx, sql},
        error::Error,
        event::{Event, Kind},
        face,
        id::TaskId,
        policy::Policy,
        run::Run,
        statements::*,
        task::Task,
        thread::Place,
    },
    clock::Millis,
};

#[derive(sqlx::FromRow)]
struct Recorded {
    #[sqlx(flatten)]
    event: Event,
    /// Whether there may be a thread that is told: 0 or 1.
    is_followed: i64,
    /// Whether there are cards at all: 0 or 1.
    has_cards: i64,
}

#[derive(sqlx::FromRow)]
struct Follower {
    thread_id: i64,
    #[sqlx(flatten)]
    place: Place,
    kinds: Option<String>,
    policy: Option<String>,
}

impl Follower {
    fn policy(&self) -> Policy {
        Policy::read(self.policy.as_deref())
    }

    fn hears_of(&self, kind: Kind) -> bool {
        match &self.kinds {
            Some(kinds) => kinds.split(',').any(|wanted| wanted == kind.as_str()),
            None => self.policy().tells(kind),
        }
    }
}

impl Tx {
    /// Adds an event and queues a post for each thread that follows the task and is told of this kind.
    pub(crate) async fn record(
        &mut self,
        kind: Kind,
        task: &Task,
        run: Option<&Run>,
        payload: Value,
        now: Millis,
    ) -> Result<Event, Error> {
        let (event, is_followed) = self.note_event(kind, task, run, payload, now).await?;
        if !is_followed {
            return Ok(event);
        }
        let mut followers: Vec<Follower> =
            sql!(self, WATCHES_FOR, &task.id, event.id, task.assignee.as_ref(), task.tenant.as_ref(); fetch_all);
        followers.retain(|follower| follower.hears_of(kind));
        // Who wants to read all of it is not served with one line.
        followers.sort_by_key(|follower| follower.policy() == Policy::Ping);
        let files = match run.filter(|_| hands_over(kind)) {
            Some(run) => self.artifacts_of_run(run.id).await?,
            None => Vec::new(),
        };
        let mut told = Vec::new();
        for follower in followers {
            // A thread that follows the task and the board hears of it once.
            if told.contains(&follower.thread_id) {
                continue;
            }
            told.push(follower.thread_id);
            let mut announcement = match follower.policy() {
                Policy::Ping => face::ping(kind, task, run),
                Policy::All | Policy::Changes | Policy::Decisions | Policy::Final | Policy::Silent => {
                    announcement::of(&event, task, run, self.slug())
                }
            };
            if follower.policy() != Policy::Ping {
                for file in &files {
                    announcement.body.extend(self.file_for(follower.thread_id, file).await?);
                }
            }
            let post = Post {
                delivery: String::new(),
                thread: follower.place.thread(),
                kind: PostKind::News,
                body: announcement.body,
                buttons: Vec::new(),
                private: false,
                task: Some(task.id.to_string()),
                event: Some(kind.as_str().to_owned()),
                urgency: announcement.urgency,
                prompts: false,
            };
            self.owe(follower.thread_id, post, announcement.actions, now).await?;
        }
        Ok(event)
    }

    /// Adds an event of which somebody has been told already: the cards show it, and no post tells it again.
    pub(crate) async fn record_quietly(
        &mut self,
        kind: Kind,
        task: &Task,
        run: Option<&Run>,
        payload: Value,
        now: Millis,
    ) -> Result<Event, Error> {
        Ok(self.note_event(kind, task, run, payload, now).await?.0)
    }

    /// Adds an event, and answers whether there may be a thread to tell.
    async fn note_event(
        &mut self,
        kind: Kind,
        task: &Task,
        run: Option<&Run>,
        payload: Value,
        now: Millis,
    ) -> Result<(Event, bool), Error> {
        let payload = if payload.is_null() { None } else { Some(payload.to_string()) };
        let Recorded { event, is_followed, has_cards } =
            sql!(self, INSERT_EVENT, &task.id, run.map(|run| run.id), kind.as_str(), payload, now; fetch_one);
        if has_cards == 1 {
            self.mark_cards(task).await?;
        }
        Ok((event, is_followed == 1))
    }

    /// The events of a task, oldest first.
    pub async fn events_of(&mut self, task: &TaskId) -> Result<Vec<Event>, Error> {
        Ok(sql!(self, EVENTS_OF, task; fetch_all))
    }

    /// The next events of a task behind one that was seen, oldest first, at most 200.
    pub async fn events_of_since(&mut self, task: &TaskId, seen: i64) -> Result<Vec<Event>, Error> {
        Ok(sql!(self, EVENTS_OF_SINCE, task, seen; fetch_all))
    }

    /// The latest events of a task, oldest first.
    pub async fn last_events_of(&mut self, task: &TaskId, count: i64) -> Result<Vec<Event>, Error> {
        let mut events: Vec<Event> = sql!(self, LAST_EVENTS_OF, task, count; fetch_all);
        events.reverse();
        Ok(events)
    }

    /// The next events of the board behind one that was seen, oldest first, at most 200.
    pub async fn events_since(&mut self, seen: i64) -> Result<Vec<Event>, Error> {
        Ok(sql!(self, EVENTS_SINCE, seen; fetch_all))
    }

    /// The number of the latest event of the board, or 0.
    pub async fn last_event(&mut self) -> Result<i64, Error> {
        let (id,): (i64,) = sql!(self, LAST_EVENT; fetch_one);
        Ok(id)
    }

    /// The file as a thread gets it; none where it has it already.
    async fn file_for(&mut self, thread: i64, file: &Attachment) -> Result<Option<Block>, Error> {
        let path = serde_json::to_string(&file.stored_path)?;
        let found: Option<(i64,)> = sql!(self, FILE_IN_THREAD, thread, &file.task_id, path; fetch_optional);
        Ok(found.is_none().then(|| Block::Stored {
            name: kanban_platform::file_name(&file.filename),
            path: file.stored_path.as_str().into(),
            size: u64::try_from(file.size).unwrap_or(0),
            media_type: file.content_type.as_deref().and_then(kanban_platform::media_type),
        }))
    }
}

/// Whether an event tells of work whose files go along.
fn hands_over(kind: Kind) -> bool {
    matches!(kind, Kind::Completed | Kind::ReviewRequested | Kind::ReviewAssigned)
}
