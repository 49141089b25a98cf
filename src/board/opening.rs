//! Threads of tasks' own: kept from the moment a task is made, opened on the platform when the short line has arrived.

use kanban_platform::{Opening, Post, PostKind, Thread};

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::TaskId,
        policy::Policy,
        statements::*,
        task::Task,
        thread::{Following, Place, Why},
    },
    clock::Millis,
};

/// A thread that is owed something and is not open yet.
#[derive(Clone, Debug)]
pub struct Unopened {
    /// None when there is nothing to open it on, or nothing to open it for.
    pub opening: Option<Opening>,
    /// When the first attempt began of which it is not known what came of it.
    pub in_doubt_since: Option<Millis>,
    pub failures: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    place: Place,
    task_id: Option<String>,
    opening_since: Option<Millis>,
    open_failures: i64,
    message: Option<String>,
    title: Option<String>,
    created_by: Option<String>,
}

/// A thread that is a task's own and open.
#[derive(sqlx::FromRow)]
struct OwnRow {
    task_id: TaskId,
    #[sqlx(flatten)]
    place: Place,
}

impl Tx {
    /// Gives a new task a thread of its own, to be opened on a delivery to a channel. Its card and what becomes of it
    /// stand there; the channel hears in one line how it ended.
    pub async fn give_own_thread(
        &mut self,
        channel: &Thread,
        task: &Task,
        delivery: &str,
        user: Option<&str>,
        now: Millis,
    ) -> Result<(), Error> {
        let channel_id = self.thread_id(channel, now).await?;
        let opens_on = self.delivery_id(delivery);
        let own = Thread { thread: Some(format!("?{}", task.id)), ..channel.clone() };
        let (own_id,): (i64,) = sql!(self, INSERT_OWN_THREAD, &own.platform, &own.space, &own.channel, own.thread.as_deref(),
            &task.id, opens_on, now; fetch_one);
        let following = |policy| Following { task: Some(task.id.clone()), policy, ..Following::default() };
        self.follow(channel_id, &following(Policy::Ping), &Why::Created, user, now).await?;
        self.follow(own_id, &following(Policy::default()), &Why::Own, user, now).await?;
        self.post_card(own_id, &own, task, now).await
    }

    /// Whether a task has a thread of its own below a channel.
    pub async fn has_own_thread(&mut self, channel: &Thread, task: &TaskId) -> Result<bool, Error> {
        let found: Option<(i64,)> =
            sql!(self, OWN_THREAD_IN, task, &channel.platform, &channel.channel; fetch_optional);
        Ok(found.is_some())
    }

    /// The task whose own thread a place is.
    pub async fn task_of_thread(&mut self, thread: &Thread) -> Result<Option<TaskId>, Error> {
        let found: Option<(TaskId,)> = sql!(self, TASK_OF_THREAD, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_optional);
        Ok(found.map(|(task,)| task))
    }

    /// What a thread needs in order to be opened; none when it is open.
    pub async fn unopened(&mut self, thread: i64) -> Result<Option<Unopened>, Error> {
        let row: Option<Row> = sql!(self, OPENING, thread; fetch_optional);
        let Some(row) = row else { return Ok(None) };
        let channel = Thread { thread: None, ..row.place.thread() };
        let person = row.created_by.as_deref().and_then(|by| person_on(&channel.platform, by));
        let opening = match (row.message, row.task_id, row.title) {
            (Some(message), Some(task), Some(title)) => {
                Some(Opening { channel, message, task, title, person, is_in_doubt: row.opening_since.is_some() })
            }
            (_, _, _) => None,
        };
        Ok(Some(Unopened { opening, in_doubt_since: row.opening_since, failures: row.open_failures }))
    }

    /// Notes that an attempt to open a thread begins, so that it is in doubt if nothing more is heard of it.
    pub async fn begin_opening(&mut self, thread: i64, now: Millis) -> Result<(), Error> {
        sql!(self, BEGIN_OPENING, thread, now; execute);
        Ok(())
    }

    /// Puts the next attempt to open a thread off, and with it what the thread is owed.
    pub async fn opening_later(
        &mut self,
        thread: i64,
        at: Millis,
        is_failure: bool,
        in_doubt_since: Option<Millis>,
    ) -> Result<(), Error> {
        sql!(self, OPENING_LATER, thread, in_doubt_since, i64::from(is_failure), at; execute);
        Ok(())
    }

    /// Gives a thread the address that the platform has opened for it.
    pub async fn opened(&mut self, thread: i64, address: &Thread) -> Result<(), Error> {
        let Some(unopened) = self.unopened(thread).await? else { return Ok(()) };
        let known: Option<(i64,)> = sql!(self, FIND_THREAD, &address.platform, &address.space, &address.channel,
            address.thread.as_deref().unwrap_or(""); fetch_optional);
        match known {
            // Somebody was faster to speak there than we to write it down.
            Some((known,)) if known != thread => {
                self.merge_threads(thread, known).await?;
                sql!(self, SET_OWNER, known, unopened.opening.map(|opening| opening.task); execute);
            }
            Some(_) | None => {
                sql!(self, OPENED, thread, &address.space, &address.channel, address.thread.as_deref().unwrap_or("");
                    execute);
            }
        }
        self.wakes_notifier();
        Ok(())
    }

    /// There can be no such thread: what was meant for it goes to the channel.
    pub async fn give_up_opening(&mut self, thread: i64, now: Millis) -> Result<(), Error> {
        let row: Option<Row> = sql!(self, OPENING, thread; fetch_optional);
        let Some(row) = row else { return Ok(()) };
        let channel = self.thread_id(&Thread { thread: None, ..row.place.thread() }, now).await?;
        sql!(self, END_PING, channel, row.task_id; execute);
        self.merge_threads(thread, channel).await?;
        self.wakes_notifier();
        Ok(())
    }

    /// The own thread of a task can no longer be written to: what it was to be told goes to the channel from now on, with
    /// cards of what is not over. Answers whether it is such a thread. What belongs to its messages stays with it.
    pub async fn leave_own_thread(&mut self, thread: i64, now: Millis) -> Result<bool, Error> {
        let row: Option<OwnRow> = sql!(self, OWN_THREAD, thread; fetch_optional);
        let Some(OwnRow { task_id, place }) = row else { return Ok(false) };
        let channel = Thread { thread: None, ..place.thread() };
        let into = self.thread_id(&channel, now).await?;
        sql!(self, END_PING, into, &task_id; execute);
        let shown: Vec<(TaskId,)> = sql!(self, TASKS_OF_CARDS_IN, thread; fetch_all);
        for statement in [MOVE_NEWS, MOVE_WATCHES] {
            sql!(self, statement, thread, into; execute);
        }
        for statement in [DELETE_WATCHES_IN, DELETE_CARDS_IN] {
            sql!(self, statement, thread; execute);
        }
        for (task,) in shown {
            let task = self.task(&task).await?;
            if !task.status.satisfies_children() && !self.has_card(into, &task.id).await? {
                self.post_card(into, &channel, &task, now).await?;
            }
        }
        self.repeat_questions(thread, into, &channel, now).await?;
        self.wakes_notifier();
        Ok(true)
    }

    /// Owes another thread what was asked in this one and is not answered.
    async fn repeat_questions(&mut self, from: i64, into: i64, channel: &Thread, now: Millis) -> Result<(), Error> {
        let asked: Vec<(i64,)> = sql!(self, QUESTIONS_SHOWN_IN, from; fetch_all);
        for (delivery,) in asked {
            let Some(told) = self.told_by_id(delivery).await? else { continue };
            let post = Post { kind: PostKind::News, thread: channel.clone(), ..told.post };
            let actions = told.buttons.into_iter().map(|kept| kept.offer).collect();
            self.owe(into, post, actions, now).await?;
        }
        Ok(())
    }

    async fn merge_threads(&mut self, from: i64, into: i64) -> Result<(), Error> {
        for statement in [MOVE_DELIVERIES, MOVE_INCOMING, MOVE_WATCHES, MOVE_CARDS, MOVE_SCHEDULES] {
            sql!(self, statement, from, into; execute);
        }
        for statement in [DELETE_WATCHES_IN, DELETE_CARDS_IN, DELETE_THREAD] {
            sql!(self, statement, from; execute);
        }
        Ok(())
    }
}

/// The stable id of a person on this platform, from the form `platform:id (name)`.
fn person_on(platform: &str, by: &str) -> Option<String> {
    let kind = platform.split('.').next().unwrap_or(platform);
    let id = by.strip_prefix(kind)?.strip_prefix(':')?;
    let id = id.split(" (").next().unwrap_or(id);
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::person_on;

    #[test]
    fn a_person_is_known_on_their_own_platform_alone() {
        assert_eq!(person_on("slack.acme", "slack:U1 (ann)").as_deref(), Some("U1"));
        assert_eq!(person_on("discord", "discord:42").as_deref(), Some("42"));
        assert_eq!(person_on("discord", "slack:U1 (ann)"), None);
        assert_eq!(person_on("discord", "bob"), None);
    }
}
