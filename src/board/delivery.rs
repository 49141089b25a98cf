//! The outbox: posts that threads are owed, written together with what they tell of.

use kanban_platform::{Block, Button, Post, PostKind, Thread, Urgency};

use crate::{
    board::{
        button::{Kept, Offer},
        db::{Tx, sql},
        error::Error,
        outgoing,
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
    /// Whether it has to be opened first: 0 or 1.
    is_unopened: i64,
}

impl Owed {
    /// Whether it is the own thread of a task and is not open yet.
    pub fn is_unopened(&self) -> bool {
        self.is_unopened == 1
    }

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
    /// When the first attempt began of which it is not known whether it arrived.
    pub in_doubt_since: Option<Millis>,
    pub next_at: Millis,
    pub created_at: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    #[sqlx(flatten)]
    place: Place,
    post: String,
    attempts: i64,
    parts_sent: i64,
    in_doubt_since: Option<Millis>,
    next_at: Millis,
    created_at: Millis,
}

/// The answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub body: Vec<Block>,
    /// Only who asked should see it.
    pub private: bool,
    /// It asks for a reply, which is what its one button was to bring; that button is not shown.
    pub prompts: bool,
    pub task: Option<String>,
    pub event: Option<String>,
    /// The buttons below it.
    pub actions: Vec<Offer>,
}

/// A message of ours that somebody replied to or pressed a button of.
#[derive(Clone, Debug)]
pub struct Told {
    pub delivery: i64,
    thread_id: i64,
    pub task: Option<String>,
    pub event: Option<String>,
    pub post: Post,
    /// The platform's id of its message, once that is noted; of a long one, the last.
    pub message: Option<String>,
    /// What its buttons stand for.
    pub buttons: Vec<Kept>,
}

/// The event that a message of ours told of, and the question that it asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purpose {
    pub event: Option<i64>,
    pub question: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ToldRow {
    id: i64,
    #[sqlx(flatten)]
    place: Place,
    thread_id: i64,
    task_id: Option<String>,
    event: Option<String>,
    post: String,
    message: Option<String>,
}

/// A delivery that has arrived.
#[derive(sqlx::FromRow)]
struct Arrived {
    thread_id: i64,
    post: String,
    settled: Option<String>,
}

/// A post that has not arrived: it waits, or it was refused for good.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Undelivered {
    pub id: i64,
    #[sqlx(flatten)]
    place: Place,
    pub task_id: Option<String>,
    pub event: Option<String>,
    pub state: String,
    pub attempts: i64,
    pub error: Option<String>,
    pub parked_at: Option<Millis>,
    pub parked_reason: Option<String>,
    pub created_at: Millis,
    pub next_at: Millis,
}

impl Undelivered {
    pub fn thread(&self) -> Thread {
        self.place.thread()
    }
}

impl Tx {
    /// Queues a post for a thread and answers its delivery key.
    pub(crate) async fn owe(
        &mut self,
        thread: i64,
        mut post: Post,
        actions: Vec<Offer>,
        now: Millis,
    ) -> Result<String, Error> {
        let shown = if post.prompts { &[] } else { actions.as_slice() };
        post.buttons = shown
            .iter()
            .map(|offer| Button {
                key: if offer.asks { ASKS.to_owned() } else { String::new() },
                label: offer.label.clone(),
                style: offer.style,
            })
            .collect();
        let mut files = outgoing::take(&mut post);
        if matches!(post.kind, PostKind::News) && post.body.is_empty() && actions.is_empty() && !files.is_empty() {
            post = outgoing::post(&post, files.remove(0));
        }
        let stored = serde_json::to_string(&post)?;
        let edits = match &post.kind {
            PostKind::Edit { message } => Some(message),
            PostKind::News | PostKind::Reply { .. } | PostKind::Reaction { .. } => None,
        };
        let (id,): (i64,) = sql!(self, INSERT_DELIVERY, thread, post.task.as_ref(), post.event.as_ref(), stored,
            rank(post.urgency), edits, now; fetch_one);
        if edits.is_some() {
            sql!(self, SUPERSEDE, thread, edits, id; execute);
        }
        self.keep_buttons(id, post.task.as_deref(), &actions, now).await?;
        for file in files {
            let file = outgoing::post(&post, file);
            let stored = serde_json::to_string(&file)?;
            let (_,): (i64,) = sql!(self, INSERT_DELIVERY, thread, file.task.as_ref(), file.event.as_ref(), stored,
                rank(file.urgency), None::<&str>, now; fetch_one);
        }
        self.wakes_notifier();
        Ok(self.delivery_key(id))
    }

    /// Queues the answer to an update.
    pub async fn owe_reply(
        &mut self,
        thread: &Thread,
        update: &str,
        return_address: Option<&str>,
        answer: Answer,
        now: Millis,
    ) -> Result<String, Error> {
        let id = self.thread_id(thread, now).await?;
        let post = Post {
            delivery: String::new(),
            thread: thread.clone(),
            kind: PostKind::Reply { update: update.to_owned(), return_address: return_address.map(str::to_owned) },
            body: answer.body,
            buttons: Vec::new(),
            private: answer.private,
            task: answer.task,
            event: answer.event,
            urgency: Urgency::Reply,
            prompts: answer.prompts,
        };
        self.owe(id, post, answer.actions, now).await
    }

    /// Queues a new text for a message that was sent, with no buttons left.
    pub async fn owe_edit(
        &mut self,
        told: &Told,
        message: &str,
        body: Vec<Block>,
        now: Millis,
    ) -> Result<String, Error> {
        let post = Post {
            kind: PostKind::Edit { message: message.to_owned() },
            body,
            delivery: String::new(),
            private: false,
            urgency: Urgency::Card,
            ..told.post.clone()
        };
        sql!(self, USE_UP_BUTTONS, told.delivery, now, "gateway"; execute);
        sql!(self, SPOIL_CARD, message, told.thread_id; execute);
        self.owe(told.thread_id, post, Vec::new(), now).await
    }

    /// The threads that are owed something and are not parked.
    pub async fn threads_owed(&mut self) -> Result<Vec<Owed>, Error> {
        Ok(sql!(self, THREADS_OWED; fetch_all))
    }

    /// What a thread is owed next.
    pub async fn next_delivery(&mut self, thread: i64) -> Result<Option<Delivery>, Error> {
        Ok(self.owed(thread, 1).await?.into_iter().next())
    }

    /// What a thread is owed next, in order, at most 32.
    pub async fn next_deliveries(&mut self, thread: i64) -> Result<Vec<Delivery>, Error> {
        self.owed(thread, 32).await
    }

    /// The threads that are owed files whose texts have arrived. Those that are parked or not open are not among them.
    pub async fn threads_owed_files(&mut self) -> Result<Vec<Owed>, Error> {
        Ok(sql!(self, THREADS_OWED_FILES; fetch_all))
    }

    /// The file that a thread is owed next.
    pub async fn next_file(&mut self, thread: i64) -> Result<Option<Delivery>, Error> {
        let rows: Vec<Row> = sql!(self, NEXT_FILE, thread; fetch_all);
        Ok(self.deliveries(rows)?.pop())
    }

    /// Puts a text in the place of a file that cannot be sent.
    pub async fn tell_instead(&mut self, file: &Delivery, reason: &str, now: Millis) -> Result<(), Error> {
        let post = outgoing::told_instead(&file.post, self.slug(), reason);
        sql!(self, TELL_INSTEAD, file.id, serde_json::to_string(&post)?, reason, now; execute);
        self.wakes_notifier();
        Ok(())
    }

    async fn owed(&mut self, thread: i64, count: i64) -> Result<Vec<Delivery>, Error> {
        let rows: Vec<Row> = sql!(self, NEXT_DELIVERIES, thread, count; fetch_all);
        self.deliveries(rows)
    }

    fn deliveries(&self, rows: Vec<Row>) -> Result<Vec<Delivery>, Error> {
        rows.into_iter()
            .map(|row| {
                let mut post: Post = serde_json::from_str(&row.post)?;
                post.delivery = self.delivery_key(row.id);
                // A thread may have got another address since.
                post.thread = row.place.thread();
                for (number, button) in post.buttons.iter_mut().enumerate() {
                    button.key = format!("{}!{number}{}", post.delivery, button.key);
                }
                Ok(Delivery {
                    id: row.id,
                    post,
                    attempts: row.attempts,
                    parts_sent: row.parts_sent,
                    in_doubt_since: row.in_doubt_since,
                    next_at: row.next_at,
                    created_at: row.created_at,
                })
            })
            .collect()
    }

    /// Notes that an attempt begins, so that it is in doubt if nothing more is heard of it. Answers false when the
    /// delivery is no longer owed.
    pub async fn begin_delivery(&mut self, id: i64, now: Millis) -> Result<bool, Error> {
        Ok(sql!(self, BEGIN_DELIVERY, id, now; execute) == 1)
    }

    pub async fn delivery_part_sent(&mut self, id: i64, parts: i64, message: &str) -> Result<(), Error> {
        sql!(self, DELIVERY_PART, id, parts; execute);
        sql!(self, INSERT_PART, id, message; execute);
        Ok(())
    }

    pub async fn delivery_sent(&mut self, id: i64, message: &str, now: Millis) -> Result<(), Error> {
        let arrived: Option<Arrived> = sql!(self, DELIVERY_SENT, id, message, now; fetch_optional);
        // Its buttons were used up while it was under way.
        if let Some(Arrived { thread_id, post, settled: Some(line) }) = arrived
            && !message.is_empty()
        {
            self.owe_outcome(thread_id, serde_json::from_str(&post)?, message.to_owned(), &line, now).await?;
        }
        Ok(())
    }

    /// Puts a delivery off. A failure counts towards the next wait; a platform that asks for patience does not.
    pub async fn delivery_later(
        &mut self,
        id: i64,
        at: Millis,
        error: &str,
        is_failure: bool,
        in_doubt_since: Option<Millis>,
    ) -> Result<(), Error> {
        sql!(self, DELIVERY_LATER, id, at, error, i64::from(is_failure), in_doubt_since; execute);
        Ok(())
    }

    /// Puts a delivery aside that was refused for good. An earlier attempt may still have arrived.
    /// Sends nothing to a thread before this time, as its platform asked.
    pub async fn close_thread(&mut self, thread: i64, until: Millis) -> Result<(), Error> {
        sql!(self, CLOSE_THREAD, thread, until; execute);
        Ok(())
    }

    /// Tells whether a post to a thread's channel is under way that began after this time.
    pub async fn is_in_flight(&mut self, thread: &Thread, since: Millis) -> Result<bool, Error> {
        let (count,): (i64,) = sql!(self, IN_FLIGHT, &thread.platform, &thread.channel, since; fetch_one);
        Ok(count > 0)
    }

    pub async fn delivery_dead(&mut self, id: i64, error: &str, in_doubt_since: Option<Millis>) -> Result<(), Error> {
        sql!(self, DELIVERY_DEAD, id, error, in_doubt_since; execute);
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

    /// Finds the post behind a platform's message id, whichever part of a long one it is. A reply in a thread that hangs
    /// on a message of ours names a message of the channel, so only the channel must agree. Of a message that was edited
    /// it is the last edit.
    pub async fn told(&mut self, thread: &Thread, message: &str) -> Result<Option<Told>, Error> {
        let rows: Vec<ToldRow> = sql!(self, DELIVERY_BY_MESSAGE, &thread.platform, &thread.channel, message; fetch_all);
        match rows.into_iter().next() {
            Some(row) => Ok(Some(self.told_of(row).await?)),
            None => Ok(None),
        }
    }

    /// Finds a button of a message by its label, on the message as it is now or else as it was before.
    pub async fn told_by_label(
        &mut self,
        thread: &Thread,
        message: &str,
        label: &str,
    ) -> Result<Option<(Told, usize)>, Error> {
        let label = label.to_lowercase();
        let rows: Vec<ToldRow> = sql!(self, DELIVERY_BY_MESSAGE, &thread.platform, &thread.channel, message; fetch_all);
        for row in rows {
            let told = self.told_of(row).await?;
            let place = told.buttons.iter().position(|kept| kept.offer.label.to_lowercase() == label);
            if let Some(place) = place.filter(|_| !told.post.prompts) {
                return Ok(Some((told, place)));
            }
        }
        Ok(None)
    }

    /// What the buttons of a message were for, however often it was edited since.
    pub async fn purpose(&mut self, thread: &Thread, message: &str) -> Result<Purpose, Error> {
        let rows: Vec<ToldRow> = sql!(self, DELIVERY_BY_MESSAGE, &thread.platform, &thread.channel, message; fetch_all);
        for row in rows {
            let buttons = self.buttons_of(row.id).await?;
            if let Some(kept) =
                buttons.into_iter().find(|kept| kept.offer.event.is_some() || kept.offer.question.is_some())
            {
                return Ok(Purpose { event: kept.offer.event, question: kept.offer.question });
            }
        }
        Ok(Purpose::default())
    }

    /// Finds the post behind the key of one of its buttons, and the number of the button.
    pub async fn told_by_key(&mut self, key: &str) -> Result<Option<(Told, usize)>, Error> {
        let Some((delivery, number)) = key.split_once('!') else { return Ok(None) };
        let number = number.strip_suffix(ASKS).unwrap_or(number);
        let (Some((_, id)), Ok(number)) = (delivery.rsplit_once('-'), number.parse::<usize>()) else { return Ok(None) };
        let id = id.split('.').next().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
        let is_of_this_board = delivery.split('.').next() == Some(self.delivery_key(id).as_str());
        if !is_of_this_board {
            return Ok(None);
        }
        Ok(self.told_by_id(id).await?.map(|told| (told, number)))
    }

    pub async fn told_by_id(&mut self, delivery: i64) -> Result<Option<Told>, Error> {
        let row: Option<ToldRow> = sql!(self, DELIVERY_BY_ID, delivery; fetch_optional);
        match row {
            Some(row) => Ok(Some(self.told_of(row).await?)),
            None => Ok(None),
        }
    }

    async fn told_of(&mut self, row: ToldRow) -> Result<Told, Error> {
        Ok(Told {
            delivery: row.id,
            thread_id: row.thread_id,
            task: row.task_id,
            event: row.event,
            // A thread may have got another address since.
            post: Post { thread: row.place.thread(), ..serde_json::from_str(&row.post)? },
            message: row.message,
            buttons: self.buttons_of(row.id).await?,
        })
    }

    /// What has not arrived, oldest first, at most 200, and how many there are in all.
    pub async fn undelivered(&mut self) -> Result<(Vec<Undelivered>, i64), Error> {
        let rows = sql!(self, UNDELIVERED; fetch_all);
        let (count,): (i64,) = sql!(self, COUNT_UNDELIVERED; fetch_one);
        Ok((rows, count))
    }

    /// Tries deliveries again at once, one or all: what waits, what was refused, and what lies in parked threads.
    /// Answers how many.
    pub async fn retry_deliveries(&mut self, id: Option<i64>, now: Millis) -> Result<u64, Error> {
        sql!(self, REQUEUE_DEAD, id, now; execute);
        let count = sql!(self, REQUEUE_WAITING, id, now; execute);
        sql!(self, REVIVE_THREADS, id; execute);
        self.wakes_notifier();
        Ok(count)
    }

    /// Gives deliveries up: all that were refused for good, or one whatever its state. Answers how many.
    pub async fn purge_deliveries(&mut self, id: Option<i64>) -> Result<u64, Error> {
        let dead = sql!(self, PURGE_DEAD, id; execute);
        let waiting = if id.is_some() { sql!(self, PURGE_WAITING, id; execute) } else { 0 };
        sql!(self, DELETE_LOST_CARDS; execute);
        // A thread that was to be opened on one of them goes on without it.
        self.wakes_notifier();
        Ok(dead + waiting)
    }
}

/// How the key of a button ends whose press asks for words.
const ASKS: &str = "w";

/// The order of urgencies in the database.
fn rank(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Reply => 0,
        Urgency::Question => 1,
        Urgency::News => 2,
        Urgency::Card => 3,
        Urgency::File => 4,
    }
}
