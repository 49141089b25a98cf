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
use kanban_platform::Thread;

use crate::{
    board::{Board, BoardSlug, Boards, Error, ProfileName, TaskId, Tx},
    clock::Millis,
    command::access::sees_task,
    dispatcher::scene::{AtWork, Scene, Switches},
    settings::{Rights, Settings},
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
    /// What a person holds on the board; none for whoever is told of all its tasks.
    pub rights: Option<&'a Rights>,
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

impl<'a> View<'a> {
    /// What decides about starts, as a look of the dispatcher would find it now.
    async fn scene(&self, tx: &mut Tx) -> Result<Scene<'a>, Error> {
        let switches =
            Switches { is_paused: self.paused, paused_profiles: self.paused_profiles, gateway_runs: self.gateway_runs };
        Scene::gather((self.board.slug(), tx), self.boards, self.settings, switches, self.at_work, self.now).await
    }

    /// Those of some tasks that the asker may look at.
    async fn seen(&self, tx: &mut Tx, ids: Vec<TaskId>) -> Result<Vec<TaskId>, Error> {
        let Some(rights) = self.rights else { return Ok(ids) };
        let mut seen = Vec::new();
        for id in ids {
            if sees_task(rights, &tx.task(&id).await?) {
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
