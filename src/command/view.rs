//! What the verbs that look at the board answer. None of them changes anything.

mod answer;
mod assignees;
mod attachments;
mod context;
mod diagnostics;
mod document;
mod list;
mod log;
mod news;
mod notify_list;
mod review;
mod rules;
mod runs;
mod show;
mod stats;
mod tail;
mod text;
mod watches;
mod why;

use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};
use kanban_platform::{Capability, Thread};
use serde_json::Value;

use crate::{
    board::{
        Board, BoardSlug, Boards, Error, ProfileName, TaskId, Tx,
        event::{Event, Kind},
        task::Task,
    },
    clock::Millis,
    command::access::sees_task,
    dispatcher::scene::{AtWork, Scene, Switches},
    settings::{Extent, Rights, Settings},
};

pub use self::{
    answer::Answer,
    assignees::assignees,
    attachments::attachments,
    context::{context, prompt},
    diagnostics::diagnostics,
    document::task as document,
    list::list,
    log::log,
    news::news,
    notify_list::notify_list,
    runs::runs,
    show::show,
    stats::stats,
    tail::{line as event_line, tail},
    watches::watches,
    why::{Reason, reason, why},
};

/// Who looks, from where, and what holds outside of the board at that moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub now: Millis,
    /// The zone in which times are printed.
    pub zone: &'a TimeZone,
    pub board: &'a Board,
    pub boards: &'a Boards,
    /// Boards that the asker may not know of.
    pub hidden: &'a [BoardSlug],
    pub eyes: Eyes<'a>,
    pub settings: &'a Settings,
    /// The thread that asks, in chat.
    pub thread: Option<&'a Thread>,
    /// The profile whose tasks are `--mine`: a worker's own, or the one that bears the asking person's name.
    pub asker: Option<&'a ProfileName>,
    pub home: &'a Path,
    pub in_chat: bool,
    /// A gateway runs, so that ready tasks are started.
    pub gateway_runs: bool,
    /// Somebody has paused the dispatcher with `dispatch pause`.
    pub paused: bool,
    /// The profiles that somebody has paused with `dispatch pause PROFILE`.
    pub paused_profiles: &'a [ProfileName],
    /// The workers that the gateway has in hand, those among them whose end is awaited.
    pub at_work: &'a [AtWork],
    /// How the asker calls the program: `kanban` or `/kanban`.
    pub prefix: &'a str,
    /// The same for a command on this board: `/kanban --board ops` where the board has to be said.
    pub here: &'a str,
}

/// Whose eyes something is shown to.
#[derive(Clone, Copy, Debug)]
pub enum Eyes<'a> {
    /// Ours.
    All,
    /// A person's, with what they hold on the board.
    Person(&'a Rights),
    /// A worker's, with the tenant of its own task: it sees the tasks of that and of none, and its own board.
    Worker { tenant: Option<&'a str> },
}

impl<'a> View<'a> {
    /// What decides about starts, as a look of the dispatcher would find it now.
    async fn scene(&self, tx: &mut Tx) -> Result<Scene<'a>, Error> {
        let switches =
            Switches { is_paused: self.paused, paused_profiles: self.paused_profiles, gateway_runs: self.gateway_runs };
        Scene::gather((self.board.slug(), tx), self.boards, self.settings, switches, self.at_work, self.now).await
    }

    /// Whether the asker may look at a task of this board.
    fn sees(&self, task: &Task) -> bool {
        match self.eyes {
            Eyes::All => true,
            Eyes::Person(rights) => sees_task(rights, task),
            Eyes::Worker { tenant: Some(own) } => task.tenant.as_deref().is_none_or(|tenant| tenant == own),
            Eyes::Worker { tenant: None } => true,
        }
    }

    /// Whether the asker may know of what other boards hold, as far as these are not hidden.
    fn sees_other_boards(&self) -> bool {
        match self.eyes {
            Eyes::All => true,
            Eyes::Person(rights) => matches!(rights.to(Capability::Read), Some((_, Extent::Whole))),
            Eyes::Worker { .. } => false,
        }
    }

    /// Events without the tasks in them that the asker may not look at.
    async fn seen_in(&self, tx: &mut Tx, events: Vec<Event>) -> Result<Vec<Event>, Error> {
        if matches!(self.eyes, Eyes::All | Eyes::Worker { tenant: None }) {
            return Ok(events);
        }
        let mut seen = events;
        for event in &mut seen {
            let Value::Object(mut payload) = event.payload() else { continue };
            let is_link = matches!(event.kind, Kind::Created | Kind::Linked | Kind::Unlinked);
            for key in ["parent", "child", "parents"].into_iter().filter(|_| is_link) {
                let Some(named) = payload.get_mut(key) else { continue };
                match named {
                    Value::Array(ids) => {
                        let mut kept = Vec::new();
                        for id in std::mem::take(ids) {
                            if self.sees_id(tx, &id).await? {
                                kept.push(id);
                            }
                        }
                        *ids = kept;
                    }
                    id if self.sees_id(tx, id).await? => {}
                    id => *id = Value::Null,
                }
            }
            event.payload = Some(Value::Object(payload).to_string());
        }
        Ok(seen)
    }

    /// Whether the asker may look at the task with this id, if there is one.
    async fn sees_id(&self, tx: &mut Tx, id: &Value) -> Result<bool, Error> {
        let Some(Ok(id)) = id.as_str().map(str::parse::<TaskId>) else { return Ok(true) };
        match tx.task(&id).await {
            Ok(task) => Ok(self.sees(&task)),
            // Deleted since: whose it was is not known any more.
            Err(Error::Refused(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Those of some tasks that the asker may look at.
    async fn seen(&self, tx: &mut Tx, ids: Vec<TaskId>) -> Result<Vec<TaskId>, Error> {
        let mut seen = Vec::new();
        for id in ids {
            if self.sees(&tx.task(&id).await?) {
                seen.push(id);
            }
        }
        Ok(seen)
    }

    /// A point in time as people here write it: `2026-11-22 14:37`.
    pub fn moment(&self, at: Millis) -> String {
        moment(at, self.zone)
    }

    /// A value as the asker has to type it.
    fn word(&self, text: &str) -> String {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '+');
        if !text.is_empty() && text.chars().all(plain) {
            text.to_owned()
        } else if self.in_chat {
            format!("\"{}\"", text.replace('"', "\\\""))
        } else {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
    }
}

/// A point in time as people in a zone write it.
pub(crate) fn moment(at: Millis, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => format!("@{at}"),
    }
}

/// How long ago something was: `just now`, `5m ago`, `3h ago`, `2d ago`. What lies ahead is `just now`.
pub(crate) fn age(now: Millis, then: Millis) -> String {
    let seconds = (now - then).max(0) / 1000;
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}
