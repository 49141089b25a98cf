//! Recording what happened, and telling the threads that follow the task, in one go.

use kanban_platform::{Post, PostKind};
use serde_json::Value;

use crate::{
    board::{
        announcement,
        db::{Tx, sql},
        error::Error,
        event::{Event, Kind},
        id::TaskId,
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
}

#[derive(sqlx::FromRow)]
struct Follower {
    thread_id: i64,
    #[sqlx(flatten)]
    place: Place,
    kinds: Option<String>,
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
        let payload = if payload.is_null() { None } else { Some(payload.to_string()) };
        let Recorded { event, is_followed } =
            sql!(self, INSERT_EVENT, &task.id, run.map(|run| run.id), kind.as_str(), payload, now; fetch_one);
        if is_followed == 0 {
            return Ok(event);
        }
        let followers: Vec<Follower> =
            sql!(self, WATCHES_FOR, &task.id, event.id, task.assignee.as_ref(), task.tenant.as_ref(); fetch_all);
        let mut told = Vec::new();
        for follower in followers {
            let wanted = match &follower.kinds {
                Some(kinds) => kinds.split(',').any(|wanted| wanted == kind.as_str()),
                None => announcement::is_told(kind),
            };
            // A thread that follows the task and the board hears of it once.
            if !wanted || told.contains(&follower.thread_id) {
                continue;
            }
            told.push(follower.thread_id);
            let announcement = announcement::of(&event, task, run, self.slug());
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
            };
            self.owe(follower.thread_id, post, announcement.actions, now).await?;
        }
        Ok(event)
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
}
