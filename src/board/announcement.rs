//! What the threads that follow a task are told about an event.

use kanban_platform::{Block, Style, Urgency};
use serde_json::Value;

use crate::{
    board::{
        button::{Deed, Offer},
        event::{Event, Kind},
        id::{BoardSlug, TaskId},
        question::Choice,
        run::Run,
        task::{Status, Task},
    },
    clock::Millis,
};

/// A post's body, and the buttons below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    pub body: Vec<Block>,
    pub actions: Vec<Offer>,
    pub urgency: Urgency,
}

/// Writes the post: the title, what happened in the worker's own words, what to do, and the id last.
pub fn of(event: &Event, task: &Task, run: Option<&Run>, board: &BoardSlug) -> Announcement {
    let payload = event.payload();
    let said = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let id = task.id.as_str();
    let kanban = board.program();
    // The words of a worker or a person, ours that follow, and what can be done next.
    let (state, said, hint, actions) = match event.kind {
        Kind::Completed => {
            let summary = run
                .and_then(|run| run.summary.clone())
                .or_else(|| task.result.clone())
                .unwrap_or_else(|| said("summary"));
            ("done", summary, String::new(), after_the_end(&task.id))
        }
        Kind::ReviewRequested | Kind::ReviewAssigned => {
            let summary = run.and_then(|run| run.summary.clone()).unwrap_or_else(|| said("summary"));
            let looks = match said("reviewer") {
                reviewer if reviewer.is_empty() => "It waits for somebody to look at it.".to_owned(),
                reviewer => format!("`{reviewer}` looks at it."),
            };
            let looks = match said("because") {
                because if because.is_empty() => looks,
                because => format!("{looks} Why a person: {because}."),
            };
            let how = format!(
                "{looks}\nTo take it: `{kanban} approve {id}`; to send it back: `{kanban} request-changes {id} WHAT TO CHANGE`"
            );
            ("in review", summary, how, in_review(&task.id))
        }
        Kind::ChangesRequested => (
            "changes requested",
            said("reason"),
            format!("{} has sent it back, and it starts again.", said("by")),
            vec![show(&task.id), cancel(&task.id)],
        ),
        Kind::Blocked => {
            let reason = said("reason");
            match said("kind").as_str() {
                "needs_input" => {
                    let asked = Asked::of(&payload);
                    let how = asked.how(&kanban, &task.id, reason.is_empty());
                    ("blocked", reason, how, asked.offers(&task.id))
                }
                kind => {
                    let how = format!("To let it go on: `{kanban} unblock {id} WHAT YOU DID`");
                    let hint = match (kind, reason.is_empty()) {
                        ("", true) => format!("It is blocked and did not say why.\n{how}"),
                        (kind, true) => format!("It is blocked ({kind}) and did not say why.\n{how}"),
                        (_, false) => how,
                    };
                    ("blocked", reason, hint, vec![show(&task.id), cancel(&task.id)])
                }
            }
        }
        Kind::BlockLoopDetected if said("kind") == "needs_input" && payload.get("question").is_some() => {
            let (asked, reason) = (Asked::of(&payload), said("reason"));
            let how = asked.how(&kanban, &task.id, reason.is_empty());
            let hint = format!("It has asked before and went on without an answer, so it waits in triage.\n{how}");
            ("needs a decision", reason, hint, asked.offers(&task.id))
        }
        Kind::BlockLoopDetected => (
            "needs a decision",
            said("reason"),
            format!(
                "It is blocked for the same reason as before, so it waits in triage. To let it go on: `{kanban} promote {id}`; to end it: `{kanban} cancel {id}`",
            ),
            vec![show(&task.id), cancel(&task.id)],
        ),
        Kind::DependencyWait if said("status") == "ready" => (
            "ready again",
            String::new(),
            format!("What it waited for has ended: {}", said("reason")),
            vec![show(&task.id)],
        ),
        Kind::DependencyWait => {
            ("waiting", String::new(), format!("It waits for its parents: {}", said("reason")), vec![show(&task.id)])
        }
        Kind::GaveUp => (
            "gave up",
            said("error"),
            format!("To try again: `{kanban} retry {id}`; what it wrote: `{kanban} log {id}`"),
            after_a_failure(&task.id),
        ),
        Kind::BudgetSpent => (
            "out of budget",
            said("error"),
            format!(
                "It is held until somebody raises its budget: `{kanban} {}`; what it wrote: `{kanban} log {id}`",
                said("command")
            ),
            vec![show(&task.id), log(&task.id), cancel(&task.id)],
        ),
        Kind::Crashed | Kind::SpawnFailed | Kind::Lost | Kind::ProtocolViolation | Kind::TimedOut => {
            let next = match payload.get("retry_in_seconds").and_then(Value::as_i64) {
                Some(seconds) => format!("It tries again in {}.", span(seconds * 1000)),
                None => String::new(),
            };
            ("failed", said("error"), next, after_a_failure(&task.id))
        }
        Kind::RateLimited => (
            "rate limited",
            said("line"),
            format!(
                "Its agent has reached a limit, so @{0} rests for {1}, with all of its tasks; no attempt was spent. To let it go on before: `/kanban dispatch resume {0}`",
                said("profile"),
                span(payload.get("retry_in_seconds").and_then(Value::as_i64).unwrap_or(0) * 1000)
            ),
            vec![log(&task.id), cancel(&task.id)],
        ),
        Kind::AuthFailed => {
            let login = match said("login") {
                login if login.is_empty() => "Log in on the gateway's machine".to_owned(),
                login => format!("On the gateway's machine: `{}`", login.replace('`', "'")),
            };
            let hint = format!(
                "Nobody is logged in to its agent, so @{0} rests, with all of its tasks; no attempt was spent. {login}, then `/kanban dispatch resume {0}`",
                said("profile")
            );
            ("not logged in", said("line"), hint, vec![log(&task.id), cancel(&task.id)])
        }
        Kind::SessionGone => (
            "starts anew",
            String::new(),
            "Its session was gone; it started anew with the full context. No attempt was spent.".to_owned(),
            vec![log(&task.id), cancel(&task.id)],
        ),
        Kind::DirectoryGone => (
            "waiting for its directory",
            String::new(),
            format!(
                "Its directory `{}` is gone, so it waits; no attempt was spent. Put the directory back and it starts by itself; or pin another with `/kanban here DIR`, end this one with `{kanban} cancel {id}`, and create it anew.",
                said("directory")
            ),
            vec![show(&task.id), cancel(&task.id)],
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
        | Kind::DirectoryBack
        | Kind::Claimed
        | Kind::ClaimRejected
        | Kind::Spawned
        | Kind::Heartbeat
        | Kind::Reclaimed
        | Kind::Edited
        | Kind::CompletionRefused
        | Kind::UnknownReferences
        | Kind::Unblocked
        | Kind::Scheduled
        | Kind::FiringSkipped
        | Kind::Retried
        | Kind::Archived
        | Kind::Imported => (event.kind.as_str(), first_said(&payload), String::new(), vec![show(&task.id)]),
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
    if !task.cost.is_zero() {
        footer.push_str(&format!(" · cost {}", task.cost));
    }
    footer.push_str(&format!(" · {id}"));
    body.push(Block::Footer(footer));
    let actions = actions.into_iter().map(|offer| Offer { event: Some(event.id), ..offer }).collect();
    Announcement { body, actions, urgency: urgency(event.kind) }
}

/// What a card that shows a task as it is offers to do next.
pub fn card_actions(task: &Task, now: Millis) -> Vec<Offer> {
    let id = &task.id;
    if task.has_failed(now) {
        return after_a_failure(id);
    }
    match task.status {
        Status::Triage | Status::Todo | Status::Scheduled | Status::Ready | Status::Blocked => {
            vec![show(id), cancel(id)]
        }
        Status::Running => vec![log(id), cancel(id)],
        Status::Review => in_review(id),
        Status::Done => after_the_end(id),
        Status::Archived => vec![show(id)],
    }
}

/// What the event of a question tells of it.
struct Asked {
    question: Option<i64>,
    choices: Vec<Choice>,
    hint: Option<String>,
}

impl Asked {
    fn of(payload: &Value) -> Self {
        let choices = payload.get("choices").cloned().and_then(|choices| serde_json::from_value(choices).ok());
        Self {
            question: payload.get("question").and_then(Value::as_i64),
            choices: choices.unwrap_or_default(),
            hint: payload.get("hint").and_then(Value::as_str).map(str::to_owned),
        }
    }

    /// What the question needs, and how it is answered.
    fn how(&self, kanban: &str, id: &TaskId, is_wordless: bool) -> String {
        let mut lines = Vec::new();
        if is_wordless {
            lines.push("It needs an answer and did not say which.".to_owned());
        }
        lines.extend(self.hint.as_ref().map(|hint| format!("What it needs to know: {hint}")));
        let press = if self.choices.is_empty() { "" } else { "press a button, or " };
        lines.push(format!(
            "To answer: {press}reply to this message in your own words, or `{kanban} answer {id} YOUR ANSWER`; what begins with `//` is no answer"
        ));
        lines.join("\n")
    }

    /// A button for each choice, one for other words, and what else can be done.
    fn offers(&self, id: &TaskId) -> Vec<Offer> {
        let choices = self.choices.iter().enumerate();
        let mut offers: Vec<Offer> = choices
            .map(|(place, choice)| Offer::new(choice.label.clone(), Deed::Choose(place)).styled(choice.style))
            .collect();
        let answer = Offer::new("Answer", Deed::Answer).asking();
        offers.push(if self.choices.is_empty() { answer.styled(Style::Primary) } else { answer });
        offers.extend([show(id), cancel(id)]);
        offers.into_iter().map(|offer| Offer { question: self.question, ..offer }).collect()
    }
}

fn show(id: &TaskId) -> Offer {
    Offer::run("Show", &["show", id.as_str()])
}

fn log(id: &TaskId) -> Offer {
    Offer::run("Log", &["log", id.as_str()])
}

fn cancel(id: &TaskId) -> Offer {
    Offer::confirm("Cancel", &["cancel", id.as_str()])
}

fn after_a_failure(id: &TaskId) -> Vec<Offer> {
    let retry = Offer::run("Retry", &["retry", id.as_str()]).styled(Style::Primary);
    let reassign = Offer::run("Reassign", &["reassign", id.as_str(), "--reclaim"]).asking();
    vec![retry, log(id), reassign, cancel(id)]
}

fn in_review(id: &TaskId) -> Vec<Offer> {
    let approve = Offer::run("Approve", &["approve", id.as_str()]).styled(Style::Success);
    let send_back = Offer::run("Request changes", &["request-changes", id.as_str()]).asking();
    vec![approve, send_back, show(id), cancel(id)]
}

fn after_the_end(id: &TaskId) -> Vec<Offer> {
    vec![show(id), Offer::run("Follow up", &["create", "--parent", id.as_str()]).asking()]
}

/// What needs a person goes before what became of a task.
fn urgency(kind: Kind) -> Urgency {
    if matches!(
        kind,
        Kind::Blocked | Kind::BlockLoopDetected | Kind::ReviewRequested | Kind::GaveUp | Kind::BudgetSpent
    ) {
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
