//! Schedules: commands that are run again and again, and what became of each of their times.

use kanban_platform::{Block, Post, PostKind, Thread, Urgency};
use serde_json::json;

use crate::{
    board::{
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::{ScheduleId, TaskId},
        statements::*,
        task::Task,
        thread::Place,
    },
    clock::Millis,
};

/// How many firings of each schedule are remembered.
const REMEMBERED: i64 = 1_000;

/// The most schedules that one board may have.
pub const SCHEDULE_LIMIT: usize = 1_000;

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Schedule {
    pub id: ScheduleId,
    pub rule: String,
    pub zone: String,
    command: String,
    pub missed: Missed,
    pub overlaps: bool,
    pub tenant: Option<String>,
    thread_id: Option<i64>,
    pub maker: String,
    /// Who made it as their platform named them, as JSON; none for the local owner.
    pub author: Option<String>,
    pub paused_by: Option<String>,
    pub created_at: Millis,
    /// All its times up to this one were seen to.
    pub seen_until: Millis,
    /// The next time; none where it fires no more by itself.
    pub next_at: Option<Millis>,
    /// Why it could not fire the last time.
    pub error: Option<String>,
}

impl Schedule {
    /// The words of its command; a single one is a text as typed in a chat.
    pub fn command(&self) -> Result<Vec<String>, Error> {
        Ok(serde_json::from_str(&self.command)?)
    }
}

/// What becomes of times that passed while no gateway ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum Missed {
    Skip,
    Once,
    All,
}

impl Missed {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }
}

/// A schedule that is to be made.
#[derive(Clone, Debug)]
pub struct NewSchedule<'a> {
    pub rule: &'a str,
    pub zone: &'a str,
    pub command: &'a [String],
    pub missed: Missed,
    pub overlaps: bool,
    pub tenant: Option<&'a str>,
    pub maker: &'a str,
    pub author: Option<String>,
    pub next_at: Option<Millis>,
}

/// What became of one time of a schedule.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Firing {
    pub nominal: Millis,
    pub at: Millis,
    pub outcome: FiringOutcome,
    /// Who fired it by hand.
    pub fired_by: Option<String>,
    pub task_id: Option<TaskId>,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum FiringOutcome {
    Fired,
    Skipped,
    Refused,
}

impl FiringOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

/// How far a schedule was seen to.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub seen_until: Millis,
    pub next_at: Option<Millis>,
}

impl Tx {
    pub async fn add_schedule(
        &mut self,
        new: &NewSchedule<'_>,
        thread: Option<&Thread>,
        now: Millis,
    ) -> Result<Schedule, Error> {
        if self.schedules().await?.len() >= SCHEDULE_LIMIT {
            refuse!(
                TooMuch,
                "this board has {SCHEDULE_LIMIT} schedules, and may not have more; `{{kanban}} schedule rm ID` removes one"
            );
        }
        let thread = match thread {
            Some(thread) => Some(self.thread_id(thread, now).await?),
            None => None,
        };
        Ok(
            sql!(self, INSERT_SCHEDULE, new.rule, new.zone, serde_json::to_string(new.command)?, new.missed, new.overlaps,
            new.tenant, thread, new.maker, new.author.as_ref(), now, new.next_at; fetch_one),
        )
    }

    pub async fn schedules(&mut self) -> Result<Vec<Schedule>, Error> {
        Ok(sql!(self, SCHEDULES; fetch_all))
    }

    pub async fn find_schedule(&mut self, id: ScheduleId) -> Result<Option<Schedule>, Error> {
        Ok(sql!(self, SCHEDULE, id; fetch_optional))
    }

    /// The schedules that have something to be seen to.
    pub async fn schedules_due(&mut self, now: Millis) -> Result<Vec<Schedule>, Error> {
        Ok(sql!(self, SCHEDULES_DUE, now; fetch_all))
    }

    /// When the next schedule fires.
    pub async fn next_firing(&mut self) -> Result<Option<Millis>, Error> {
        let (next,): (Option<Millis>,) = sql!(self, NEXT_FIRING; fetch_one);
        Ok(next)
    }

    /// Where a schedule was made, if that was in a chat.
    pub async fn thread_of_schedule(&mut self, schedule: &Schedule) -> Result<Option<Thread>, Error> {
        let found: Option<Place> = sql!(self, THREAD_OF_SCHEDULE, schedule.thread_id; fetch_optional);
        Ok(found.map(|place| place.thread()))
    }

    /// The newest task of a schedule that is not final.
    pub async fn open_task_of_schedule(&mut self, id: ScheduleId) -> Result<Option<Task>, Error> {
        Ok(sql!(self, OPEN_TASK_OF_SCHEDULE, id; fetch_optional))
    }

    /// Whether something has become of a time of a schedule already.
    pub async fn has_fired(&mut self, id: ScheduleId, nominal: Millis) -> Result<bool, Error> {
        let found: Option<(Millis,)> = sql!(self, HAS_FIRED, id, nominal; fetch_optional);
        Ok(found.is_some())
    }

    /// What became of the latest times of a schedule, newest first.
    pub async fn last_firings(&mut self, id: ScheduleId, count: i64) -> Result<Vec<Firing>, Error> {
        Ok(sql!(self, LAST_FIRINGS, id, count; fetch_all))
    }

    /// Keeps what became of a time.
    pub async fn keep_firing(&mut self, id: ScheduleId, firing: &Firing) -> Result<(), Error> {
        sql!(self, INSERT_FIRING, id, firing.nominal, firing.at, firing.outcome, firing.fired_by.as_ref(), firing.task_id.as_ref(),
            firing.reason.as_ref(); execute);
        sql!(self, FORGET_FIRINGS, id, REMEMBERED; execute);
        Ok(())
    }

    /// Notes on the task that is not final that its schedule did not fire for it. A row of them is one event.
    pub async fn firing_skipped(
        &mut self,
        schedule: &Schedule,
        nominal: Millis,
        open: &Task,
        now: Millis,
    ) -> Result<(), Error> {
        let before = self.last_firings(schedule.id, 1).await?;
        if before.first().is_some_and(|firing| firing.outcome == FiringOutcome::Skipped) {
            return Ok(());
        }
        let reason = format!("schedule {} did not fire, since this task of it is {}", schedule.id, open.status);
        let payload = json!({"schedule": schedule.id.to_string(), "nominal": nominal / 1000, "reason": reason});
        self.record(Kind::FiringSkipped, open, None, payload, now).await.map(drop)
    }

    /// Notes how far a schedule was seen to, and why it could not fire.
    pub async fn saw_schedule(&mut self, id: ScheduleId, to: Progress, error: Option<&str>) -> Result<(), Error> {
        sql!(self, SET_SEEN, id, to.seen_until, to.next_at, error; execute);
        Ok(())
    }

    /// Answers whether it was not paused before.
    pub async fn pause_schedule(&mut self, id: ScheduleId, by: &str) -> Result<bool, Error> {
        Ok(sql!(self, PAUSE_SCHEDULE, id, by; execute) == 1)
    }

    /// What passed meanwhile was not missed.
    pub async fn resume_schedule(&mut self, id: ScheduleId, to: Progress) -> Result<(), Error> {
        sql!(self, RESUME_SCHEDULE, id, to.seen_until, to.next_at; execute);
        Ok(())
    }

    pub async fn remove_schedule(&mut self, id: ScheduleId) -> Result<(), Error> {
        sql!(self, DELETE_FIRINGS_OF, id; execute);
        sql!(self, DELETE_SCHEDULE, id; execute);
        Ok(())
    }

    /// Shows the thread where a schedule was made a task that it has made.
    pub async fn show_fired(&mut self, thread: &Thread, task: &TaskId, now: Millis) -> Result<(), Error> {
        let id = self.thread_id(thread, now).await?;
        let task = self.task(task).await?;
        self.post_card(id, thread, &task, now).await
    }

    /// Owes a thread a line about a schedule.
    pub async fn tell_of_schedule(&mut self, thread: &Thread, text: String, now: Millis) -> Result<(), Error> {
        let id = self.thread_id(thread, now).await?;
        let post = Post {
            delivery: String::new(),
            thread: thread.clone(),
            kind: PostKind::News,
            body: vec![Block::Text(text)],
            buttons: Vec::new(),
            private: false,
            task: None,
            event: None,
            urgency: Urgency::News,
            prompts: false,
        };
        self.owe(id, post, Vec::new(), now).await.map(drop)
    }
}
