//! The outbox: posts that threads are owed, written together with what they tell of.

use kanban_platform::{Button, Post, PostKind, Thread};

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        statements::*,
        thread::Place,
    },
    clock::Millis,
};

/// A thread that is owed something.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Owed {
    pub id: i64,
    #[sqlx(flatten)]
    place: Place,
}

impl Owed {
    pub fn thread(&self) -> Thread {
        self.place.thread()
    }
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: i64,
    pub post: Post,
    pub attempts: i64,
    /// A long post goes out in parts; so many of them have arrived.
    pub parts_sent: i64,
    pub next_at: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    post: String,
    attempts: i64,
    parts_sent: i64,
    next_at: Millis,
}

/// The answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// Only who asked should see it.
    pub private: bool,
    pub task: Option<String>,
    pub event: Option<String>,
    /// Buttons, with the command that each stands for.
    pub actions: Vec<(String, Vec<String>)>,
}

/// A message of ours that somebody replied to or pressed a button of.
#[derive(Clone, Debug)]
pub struct Told {
    pub delivery: i64,
    pub task: Option<String>,
    pub event: Option<String>,
    pub post: Post,
    /// The commands behind its buttons.
    pub actions: Vec<(String, Vec<String>)>,
}

impl Told {
    /// Whether its buttons are used up.
    pub fn is_pressed(&self) -> bool {
        self.actions.is_empty() && !self.post.buttons.is_empty()
    }
}

#[derive(sqlx::FromRow)]
struct ToldRow {
    id: i64,
    task_id: Option<String>,
    event: Option<String>,
    post: String,
    actions: Option<String>,
}

impl Tx {
    /// Queues a post for a thread and answers its delivery key.
    pub(crate) async fn owe(
        &mut self,
        thread: i64,
        mut post: Post,
        actions: Vec<(String, Vec<String>)>,
        now: Millis,
    ) -> Result<String, Error> {
        post.buttons = actions.iter().map(|(label, _)| Button { label: label.clone() }).collect();
        let stored = serde_json::to_string(&post)?;
        let actions = if actions.is_empty() { None } else { Some(serde_json::to_string(&actions)?) };
        let (id,): (i64,) = sql!(self, INSERT_DELIVERY, thread, post.task.as_ref(), post.event.as_ref(), stored, actions, now; fetch_one);
        self.wakes_notifier();
        Ok(self.delivery_key(id))
    }

    /// Queues the answer to an update.
    pub async fn owe_reply(
        &mut self,
        thread: &Thread,
        update: &str,
        answer: Answer,
        now: Millis,
    ) -> Result<String, Error> {
        let id = self.thread_id(thread, now).await?;
        let post = Post {
            delivery: String::new(),
            thread: thread.clone(),
            kind: PostKind::Reply { update: update.to_owned() },
            text: answer.text,
            buttons: Vec::new(),
            private: answer.private,
            task: answer.task,
            event: answer.event,
        };
        self.owe(id, post, answer.actions, now).await
    }

    /// Queues a new text for a message that was sent, with no buttons left.
    pub async fn owe_edit(&mut self, told: &Told, message: &str, text: String, now: Millis) -> Result<String, Error> {
        let thread = self.thread_id(&told.post.thread, now).await?;
        let post = Post {
            kind: PostKind::Edit { message: message.to_owned() },
            text,
            delivery: String::new(),
            ..told.post.clone()
        };
        sql!(self, SET_ACTIONS, told.delivery, None::<String>; execute);
        self.owe(thread, post, Vec::new(), now).await
    }

    /// The threads that are owed something and are not parked.
    pub async fn threads_owed(&mut self) -> Result<Vec<Owed>, Error> {
        Ok(sql!(self, THREADS_OWED; fetch_all))
    }

    /// What a thread is owed next, in order, at most 32.
    pub async fn next_deliveries(&mut self, thread: i64) -> Result<Vec<Delivery>, Error> {
        let rows: Vec<Row> = sql!(self, NEXT_DELIVERIES, thread; fetch_all);
        rows.into_iter()
            .map(|row| {
                let mut post: Post = serde_json::from_str(&row.post)?;
                post.delivery = self.delivery_key(row.id);
                Ok(Delivery {
                    id: row.id,
                    post,
                    attempts: row.attempts,
                    parts_sent: row.parts_sent,
                    next_at: row.next_at,
                })
            })
            .collect()
    }

    pub async fn delivery_part_sent(&mut self, id: i64, parts: i64) -> Result<(), Error> {
        sql!(self, DELIVERY_PART, id, parts; execute);
        Ok(())
    }

    pub async fn delivery_sent(&mut self, id: i64, message: &str, now: Millis) -> Result<(), Error> {
        sql!(self, DELIVERY_SENT, id, message, now; execute);
        Ok(())
    }

    pub async fn delivery_later(&mut self, id: i64, at: Millis, error: &str) -> Result<(), Error> {
        sql!(self, DELIVERY_LATER, id, at, error; execute);
        Ok(())
    }

    pub async fn delivery_dead(&mut self, id: i64, error: &str) -> Result<(), Error> {
        sql!(self, DELIVERY_DEAD, id, error; execute);
        Ok(())
    }

    /// Marks a thread that cannot be written to. Its watches stay; what it is owed waits until it is revived.
    pub async fn park_thread(&mut self, thread: i64, reason: &str, now: Millis) -> Result<(), Error> {
        sql!(self, PARK_THREAD, thread, now, reason; execute);
        Ok(())
    }

    pub async fn revive_thread(&mut self, thread: i64) -> Result<(), Error> {
        if sql!(self, REVIVE_THREAD, thread; execute) == 1 {
            sql!(self, DELIVER_NOW, thread; execute);
            self.wakes_notifier();
        }
        Ok(())
    }

    /// Finds the post behind a platform's message id in a thread. A long post's parts share the last part's id.
    pub async fn told(&mut self, thread: &Thread, message: &str) -> Result<Option<Told>, Error> {
        let rows: Vec<ToldRow> = sql!(self, DELIVERY_BY_MESSAGE, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""), message; fetch_all);
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let actions = match &row.actions {
            Some(actions) => serde_json::from_str(actions)?,
            None => Vec::new(),
        };
        Ok(Some(Told {
            delivery: row.id,
            task: row.task_id,
            event: row.event,
            post: serde_json::from_str(&row.post)?,
            actions,
        }))
    }
}
