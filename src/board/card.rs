//! Live cards: one message for each task and thread, or of the whole board, that is kept up to date in place.
//!
//! An event only marks the cards that show it. They are drawn later, from what is true then, so that ten thousand events
//! in a second are one edit.

use kanban_platform::{Post, PostKind, Thread, Urgency};

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        event::Kind,
        face::{self, Column, Face, Lead, Offspring, Sight},
        id::TaskId,
        run::Run,
        statements::*,
        task::{Status, Task},
        thread::Place,
    },
    clock::Millis,
};

/// No card is edited more often than this.
pub const BETWEEN_EDITS: Millis = 1_000;

/// How long an edit is kept after a newer one: what a slow device still shows of it can be pressed.
const EDIT_KEPT: Millis = 10 * 60 * 1_000;

/// As many tasks of each status are named on the card of a board.
const NEWEST: i64 = 3;

/// What the posts of cards carry as their event.
pub(crate) const EVENT: &str = "card";

#[derive(sqlx::FromRow)]
struct Due {
    id: i64,
    thread_id: i64,
    task_id: Option<TaskId>,
    lead: String,
    shown: String,
    message: String,
    #[sqlx(flatten)]
    place: Place,
}

impl Tx {
    /// Notes that the cards which show a task are out of date.
    pub(crate) async fn mark_cards(&mut self, task: &Task) -> Result<(), Error> {
        // Cards that are marked already are known to the notifier.
        if sql!(self, MARK_CARDS, &task.id, task.creator_run; execute) > 0 {
            self.wakes_notifier();
        }
        Ok(())
    }

    /// What the card of a task shows at present.
    pub async fn task_face(&mut self, task: &Task, lead: Lead, now: Millis) -> Result<Face, Error> {
        let run: Option<Run> = sql!(self, LAST_RUN_OF, &task.id; fetch_optional);
        let waits_for = if task.status == Status::Todo { self.open_parents(&task.id).await? } else { Vec::new() };
        let offspring: Vec<Offspring> = sql!(self, OFFSPRING, &task.id; fetch_all);
        let is_cancelled = task.status == Status::Archived
            && self.last_events_of(&task.id, 5).await?.iter().any(|event| event.kind == Kind::Cancelled);
        let sight = Sight { task, run: run.as_ref(), waits_for: &waits_for, offspring: &offspring, is_cancelled, now };
        Ok(face::of_task(lead, &sight))
    }

    /// What the card of the board shows at present.
    pub async fn board_face(&mut self) -> Result<Face, Error> {
        let counts = self.counts().await?;
        let mut columns = Vec::new();
        for status in Status::ALL {
            let tasks = counts.iter().filter(|count| count.status == status).map(|count| count.tasks).sum();
            if tasks > 0 {
                let newest = sql!(self, NEWEST_OF_STATUS, status, NEWEST; fetch_all);
                columns.push(Column { status, tasks, newest });
            }
        }
        Ok(face::of_board(self.slug(), &columns))
    }

    /// Makes a delivery the card of a task, or of the board, in its thread. The one that was there is no longer updated.
    pub async fn place_card(
        &mut self,
        thread: &Thread,
        task: Option<&TaskId>,
        lead: Lead,
        delivery: &str,
        face: &Face,
        now: Millis,
    ) -> Result<(), Error> {
        let thread = self.thread_id(thread, now).await?;
        let delivery = self.delivery_id(delivery);
        sql!(self, PLACE_CARD, thread, task, delivery, lead.as_str(), face.shown()?, now + BETWEEN_EDITS; execute);
        Ok(())
    }

    /// Owes a thread the card of a task as a post of its own.
    pub(crate) async fn post_card(
        &mut self,
        thread_id: i64,
        thread: &Thread,
        task: &Task,
        now: Millis,
    ) -> Result<(), Error> {
        let face = self.task_face(task, Lead::Title, now).await?;
        let post = Post {
            // It is older than whatever its task asks later, and goes before it.
            urgency: Urgency::News,
            ..post_of(thread, PostKind::News, &face, Some(&task.id))
        };
        let key = self.owe(thread_id, post, face.actions.clone(), now).await?;
        let delivery = self.delivery_id(&key);
        sql!(self, PLACE_CARD, thread_id, &task.id, delivery, Lead::Title.as_str(), face.shown()?, now + BETWEEN_EDITS; execute);
        Ok(())
    }

    /// Lets the card of the board in a thread stay as it is. Answers whether there was one.
    pub async fn end_board_card(&mut self, thread: &Thread) -> Result<bool, Error> {
        let found: Option<(i64,)> = sql!(self, FIND_THREAD, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_optional);
        let Some((thread,)) = found else { return Ok(false) };
        Ok(sql!(self, DELETE_CARD_OF, thread, None::<&TaskId>; execute) > 0)
    }

    /// The same in every thread. Answers how many there were.
    pub async fn end_board_cards(&mut self) -> Result<u64, Error> {
        Ok(sql!(self, DELETE_BOARD_CARDS; execute))
    }

    /// Whether a thread has the card of a task already.
    pub(crate) async fn has_card(&mut self, thread: i64, task: &TaskId) -> Result<bool, Error> {
        let found: Option<(i64,)> = sql!(self, HAS_CARD, thread, task; fetch_optional);
        Ok(found.is_some())
    }

    /// When the next card is to be drawn anew. One whose message has not arrived has to wait for that.
    pub async fn next_card(&mut self) -> Result<Option<Millis>, Error> {
        let (next,): (Option<Millis>,) = sql!(self, NEXT_CARD; fetch_one);
        Ok(next)
    }

    /// Owes an edit of each card that is due and shows something else than what is true, at most 64 at once.
    pub async fn draw_cards(&mut self, now: Millis) -> Result<(), Error> {
        let due: Vec<Due> = sql!(self, DUE_CARDS, now; fetch_all);
        for card in due {
            let face = match &card.task_id {
                None => self.board_face().await?,
                Some(id) => {
                    let found: Option<Task> = sql!(self, TASK, id; fetch_optional);
                    let Some(task) = found else {
                        sql!(self, DELETE_CARD, card.id; execute);
                        continue;
                    };
                    self.task_face(&task, Lead::read(&card.lead), now).await?
                }
            };
            let shown = face.shown()?;
            if shown != card.shown {
                let kind = PostKind::Edit { message: card.message.clone() };
                let post = post_of(&card.place.thread(), kind, &face, card.task_id.as_ref());
                sql!(self, DELETE_UNSENT_EDITS, card.thread_id, &card.message; execute);
                self.owe(card.thread_id, post, face.actions, now).await?;
                sql!(self, PRUNE_EDITS, card.thread_id, &card.message, now - EDIT_KEPT; execute);
            }
            sql!(self, CARD_SHOWN, card.id, shown, now + BETWEEN_EDITS; execute);
        }
        Ok(())
    }
}

fn post_of(thread: &Thread, kind: PostKind, face: &Face, task: Option<&TaskId>) -> Post {
    Post {
        delivery: String::new(),
        thread: thread.clone(),
        kind,
        body: face.body.clone(),
        buttons: Vec::new(),
        private: false,
        task: task.map(ToString::to_string),
        event: Some(EVENT.to_owned()),
        urgency: Urgency::Card,
        prompts: false,
    }
}
