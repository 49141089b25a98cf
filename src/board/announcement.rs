//! What the threads that follow a task are told about an event.

use kanban_platform::{Block, Urgency};
use serde_json::Value;

use crate::{
    board::{
        event::{Event, Kind},
        id::BoardSlug,
        run::Run,
        task::Task,
    },
    clock::Millis,
};

/// A post's body, and the buttons below it with the command that each stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    pub body: Vec<Block>,
    pub actions: Vec<(String, Vec<String>)>,
    pub urgency: Urgency,
}

/// Whether a thread that did not choose its kinds hears of this one: only what needs a person, what went wrong, and how it ended.
pub fn is_told(kind: Kind) -> bool {
    match kind {
        Kind::SpawnFailed
        | Kind::Crashed
        | Kind::Lost
        | Kind::ProtocolViolation
        | Kind::RateLimited
        | Kind::TimedOut
        | Kind::GaveUp
        | Kind::Completed
        | Kind::Blocked
        | Kind::DependencyWait
        | Kind::BlockLoopDetected
        | Kind::Cancelled => true,
        Kind::Created
        | Kind::Assigned
        | Kind::Linked
        | Kind::Unlinked
        | Kind::Commented
        | Kind::Attached
        | Kind::AttachmentRemoved
        | Kind::Promoted
        | Kind::PromotedManual
        | Kind::Claimed
        | Kind::ClaimRejected
        | Kind::Spawned
        | Kind::Heartbeat
        | Kind::Reclaimed
        | Kind::Edited
        | Kind::Unblocked
        | Kind::Scheduled
        | Kind::Retried
        | Kind::Archived => false,
    }
}

/// Writes the post: the title, what happened in the worker's own words, what to do, and the id last.
pub fn of(event: &Event, task: &Task, run: Option<&Run>, board: &BoardSlug) -> Announcement {
    let payload = event.payload();
    let said = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let id = task.id.as_str();
    // There is no current board in chat, so every other board than the default one is named.
    let kanban = match *board == BoardSlug::default() {
        true => "/kanban".to_owned(),
        false => format!("/kanban --board {board}"),
    };
    let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let show = ("Show".to_owned(), command(&["show", id]));
    let log = ("Log".to_owned(), command(&["log", id]));
    let retry = ("Retry".to_owned(), command(&["retry", id]));
    let cancel = ("Cancel".to_owned(), command(&["cancel", id]));
    // The words of a worker or a person, and ours that follow.
    let (state, said, hint, actions) = match event.kind {
        Kind::Completed => {
            let summary = run
                .and_then(|run| run.summary.clone())
                .or_else(|| task.result.clone())
                .unwrap_or_else(|| said("summary"));
            ("done", summary, String::new(), vec![show])
        }
        Kind::Blocked => {
            let reason = said("reason");
            match said("kind").as_str() {
                "needs_input" => {
                    let how = format!("To answer: reply to this message, or `{kanban} unblock {id} YOUR ANSWER`");
                    let unsaid = "It needs an answer and did not say which.";
                    let hint = if reason.is_empty() { format!("{unsaid}\n{how}") } else { how };
                    ("blocked", reason, hint, vec![show, cancel])
                }
                kind => {
                    let how = format!("To let it go on: `{kanban} unblock {id} WHAT YOU DID`");
                    let hint = match (kind, reason.is_empty()) {
                        ("", true) => format!("It is blocked and did not say why.\n{how}"),
                        (kind, true) => format!("It is blocked ({kind}) and did not say why.\n{how}"),
                        (_, false) => how,
                    };
                    ("blocked", reason, hint, vec![show, cancel])
                }
            }
        }
        Kind::BlockLoopDetected => (
            "needs a decision",
            said("reason"),
            format!(
                "It is blocked for the same reason as before, so it waits in triage. To let it go on: `{kanban} promote {id}`; to end it: `{kanban} cancel {id}`",
            ),
            vec![show, cancel],
        ),
        Kind::DependencyWait => {
            ("waiting", String::new(), format!("It waits for its parents: {}", said("reason")), vec![show])
        }
        Kind::GaveUp => (
            "gave up",
            said("error"),
            format!("To try again: `{kanban} retry {id}`; what it wrote: `{kanban} log {id}`"),
            vec![retry, log, cancel],
        ),
        Kind::Crashed | Kind::SpawnFailed | Kind::Lost | Kind::ProtocolViolation | Kind::TimedOut => {
            let next = match payload.get("retry_in_seconds").and_then(Value::as_i64) {
                Some(seconds) => format!("It tries again in {}.", span(seconds * 1000)),
                None => String::new(),
            };
            ("failed", said("error"), next, vec![log, cancel])
        }
        Kind::RateLimited => (
            "rate limited",
            String::new(),
            format!(
                "Its agent has reached a limit. It tries again in {}; no attempt was spent.",
                span(payload.get("retry_in_seconds").and_then(Value::as_i64).unwrap_or(0) * 1000)
            ),
            vec![log, cancel],
        ),
        Kind::Cancelled => ("cancelled", said("reason"), String::new(), vec![]),
        Kind::Created
        | Kind::Assigned
        | Kind::Linked
        | Kind::Unlinked
        | Kind::Commented
        | Kind::Attached
        | Kind::AttachmentRemoved
        | Kind::Promoted
        | Kind::PromotedManual
        | Kind::Claimed
        | Kind::ClaimRejected
        | Kind::Spawned
        | Kind::Heartbeat
        | Kind::Reclaimed
        | Kind::Edited
        | Kind::Unblocked
        | Kind::Scheduled
        | Kind::Retried
        | Kind::Archived => (event.kind.as_str(), first_said(&payload), String::new(), vec![show]),
    };
    let mut body = vec![Block::Title(task.title.clone())];
    if !said.is_empty() {
        body.push(Block::Quote(said));
    }
    if !hint.is_empty() {
        body.push(Block::Text(hint));
    }
    let mut footer = state.to_owned();
    if let Some(profile) = run.and_then(|run| run.profile.as_ref()).or(task.assignee.as_ref()) {
        footer.push_str(&format!(" · @{profile}"));
    }
    if let Some(run) = run {
        if let Some(ended) = run.ended_at.filter(|ended| *ended > run.started_at) {
            footer.push_str(&format!(" · {}", span(ended - run.started_at)));
        }
        footer.push_str(&format!(" · attempt {}", run.attempt));
    }
    footer.push_str(&format!(" · {id}"));
    body.push(Block::Footer(footer));
    Announcement { body, actions, urgency: urgency(event.kind) }
}

/// What needs a person goes before what became of a task.
fn urgency(kind: Kind) -> Urgency {
    if matches!(kind, Kind::Blocked | Kind::BlockLoopDetected | Kind::GaveUp) {
        Urgency::Question
    } else {
        Urgency::News
    }
}

/// A span of time as people read it: `0.4s`, `12s`, `3m 20s`, `2h 5m`, `3d 4h`.
pub fn span(millis: Millis) -> String {
    let millis = millis.max(0);
    let seconds = millis / 1000;
    match seconds {
        0..10 if millis % 1000 >= 100 => format!("{seconds}.{}s", millis % 1000 / 100),
        0..60 => format!("{seconds}s"),
        60..3600 if seconds % 60 == 0 => format!("{}m", seconds / 60),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// The first of the texts that a payload may carry.
fn first_said(payload: &Value) -> String {
    ["note", "reason", "error", "summary"]
        .iter()
        .find_map(|key| payload.get(*key).and_then(Value::as_str))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_read_like_a_person_would_say_them() {
        let read: Vec<_> =
            [0, 99, 400, 9_950, 10_000, 61_000, 120_000, 7_500_000, 273_600_000].into_iter().map(span).collect();
        assert_eq!(read, ["0s", "0s", "0.4s", "9.9s", "10s", "1m 1s", "2m", "2h 5m", "3d 4h"]);
    }
}
