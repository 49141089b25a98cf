//! Reasons in words, each with the command that ends it.

use super::{
    View, age,
    text::{counted, first_line, one_line},
    why::{Elsewhere, Reason, suggested_profile},
};
use crate::{
    board::{
        BoardSlug, TaskId,
        announcement::span,
        task::{Status, Task},
    },
    clock::Millis,
    dispatcher::scene::{Cap, Hindrance, Parked},
};

/// A reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub detail: String,
    /// The command that would move the task; none where nothing is to be done, or where no command does it.
    pub command: Option<String>,
}

/// How much of a text that somebody wrote is shown, in characters, and how many tasks are named.
const WIDTH: usize = 300;
const NAMED: usize = 3;

impl Reason {
    /// The reason in words, for the task that it holds for. What is `unseen` is not named.
    pub fn answer(&self, task: &Task, view: &View<'_>, unseen: &[Elsewhere]) -> Answer {
        let id = &task.id;
        let verb = |words: String| Some(format!("{} {words}", view.here));
        let (detail, command) = match self {
            Self::Triage { waits_for_parents } => {
                let detail = match &task.block_reason {
                    Some(reason) => format!(
                        "it was blocked again for the same kind of reason and waits for a decision: {}",
                        first_line(reason, WIDTH)
                    ),
                    None => "it waits for somebody to decide that it is worth doing".to_owned(),
                };
                let force = if *waits_for_parents { " --force" } else { "" };
                (detail, verb(format!("promote {id}{force}")))
            }
            Self::UnmetParents { open, unseen } => {
                let mut parents: Vec<_> = open.iter().map(|(parent, status)| format!("{parent} ({status})")).collect();
                if *unseen > 0 {
                    parents.push(format!("{unseen} that you may not look at"));
                }
                let command = match (task.status, open.first()) {
                    (Status::Ready | Status::Scheduled, Some((parent, _))) => verb(format!("why {parent}")),
                    _ => verb(format!("promote {id} --force")),
                };
                (format!("it waits for {}", parents.join(", ")), command)
            }
            Self::Held => {
                ("it was set to wait, and none of its parents is open".to_owned(), verb(format!("promote {id}")))
            }
            Self::Scheduled { until: Some(until) } => (
                format!("it waits until {}, in {}", view.moment(*until), span(until - view.now)),
                verb(format!("unblock {id}")),
            ),
            Self::Scheduled { until: None } => {
                ("it was put aside without a time".to_owned(), verb(format!("unblock {id}")))
            }
            Self::Question { since } => (
                format!(
                    "it waits for an answer by a person{}: {}",
                    since_when(*since, view),
                    said(task.block_reason.as_deref(), "(no question was given)")
                ),
                verb(format!("answer {id} {}", view.word("YOUR ANSWER"))),
            ),
            Self::Blocked { since } => {
                let kind = task.block_kind.map_or(String::new(), |kind| format!(" ({})", kind.as_str()));
                let reason = said(task.block_reason.as_deref(), "no reason was given");
                (format!("it is blocked{kind}{}: {reason}", since_when(*since, view)), verb(format!("unblock {id}")))
            }
            Self::GaveUp => (
                format!(
                    "its attempts are used up{}; the last ended so: {}",
                    if task.failures > 0 {
                        format!(" ({} in a row)", counted(usize::try_from(task.failures).unwrap_or(0), "failure"))
                    } else {
                        String::new()
                    },
                    said(task.last_error.as_deref(), "unknown")
                ),
                verb(format!("retry {id}")),
            ),
            Self::BudgetSpent(overrun) => (overrun.words(), verb(overrun.remedy(id))),
            Self::Review => {
                ("it waits for somebody to look at what was done".to_owned(), verb(format!("approve {id}")))
            }
            Self::Hindered(hindrance) => of_hindrance(hindrance, task, view, unseen),
            Self::Starting => {
                ("nothing keeps it from starting; it is next".to_owned(), verb("dispatch now".to_owned()))
            }
            Self::Running { since, holder, run, seen } => {
                let seen = seen.map_or(String::new(), |seen| format!(", last sign of life {}", age(view.now, seen)));
                (
                    format!("{} has been at it for {} (run {run}{seen})", one_line(holder), span(view.now - since)),
                    verb(format!("log {id}")),
                )
            }
            Self::Done => (
                task.completed_at.map_or("it is done".to_owned(), |at| format!("it was done at {}", view.moment(at))),
                None,
            ),
            Self::Archived => ("it was put out of sight and will not move again".to_owned(), None),
        };
        Answer { detail, command }
    }
}

/// What keeps a ready task from starting. What no command of ours ends by itself has none: the detail says what does.
fn of_hindrance(hindrance: &Hindrance, task: &Task, view: &View<'_>, unseen: &[Elsewhere]) -> (String, Option<String>) {
    let id = &task.id;
    let verb = |words: String| Some(format!("{} {words}", view.here));
    let anywhere = |words: String| Some(format!("{} {words}", view.prefix));
    let and_no_gateway = if view.gateway_runs { "" } else { "; and no gateway runs" };
    match hindrance {
        Hindrance::Unassigned => (
            "no profile is to do it".to_owned(),
            verb(format!("assign {id} {}", suggested_profile(None, view).unwrap_or("PROFILE"))),
        ),
        Hindrance::UnknownProfile { profile } => {
            let suggested = suggested_profile(Some(profile), view);
            let known: Vec<_> = view.settings.profiles.iter().map(|known| format!("`{}`", known.name)).collect();
            (
                format!("there is no profile `{profile}`; there are {}", known.join(", ")),
                match task.status {
                    Status::Review => {
                        verb(format!("request-review {id} --reviewer {}", suggested.unwrap_or("PROFILE")))
                    }
                    _ => verb(format!("assign {id} {}", suggested.unwrap_or("PROFILE"))),
                },
            )
        }
        Hindrance::Paused { by_settings: false } => {
            (format!("the dispatcher is paused{and_no_gateway}"), anywhere("dispatch resume".to_owned()))
        }
        Hindrance::Paused { by_settings: true } => (by_settings("dispatch.paused", view) + and_no_gateway, None),
        Hindrance::ProfilePaused { profile, by_settings: false } => (
            format!("the profile `{profile}` is paused{and_no_gateway}"),
            anywhere(format!("dispatch resume {profile}")),
        ),
        Hindrance::ProfilePaused { profile, by_settings: true } => {
            (by_settings(&format!("profiles.{profile}.paused"), view) + and_no_gateway, None)
        }
        // This one is typed into a terminal, wherever the question came from.
        Hindrance::NoGateway => {
            ("no gateway runs, and only a gateway starts workers".to_owned(), Some("kanban up".to_owned()))
        }
        Hindrance::ProfileParked(Parked { profile, until, reason, board, .. }) => {
            let is_unseen = view.hidden.contains(board) || unseen.iter().any(|(other, _)| other == board);
            let reason = if is_unseen { "it has reached a limit" } else { reason };
            (
                format!(
                    "the profile `{profile}` rests until {}, for {} more: {}",
                    view.moment(*until),
                    span(until - view.now),
                    first_line(reason, WIDTH)
                ),
                anywhere(format!("dispatch resume {profile}")),
            )
        }
        Hindrance::BackOff { until } => (
            format!(
                "it is tried again at {}, in {}; the last attempt ended so: {}",
                view.moment(*until),
                span(until - view.now),
                said(task.last_error.as_deref(), "unknown")
            ),
            verb(format!("retry {id}")),
        ),
        Hindrance::FilesAwaited { until } => (
            format!(
                "the files that were sent with it are being fetched; at {}, in {}, it starts without them",
                view.moment(*until),
                span(until - view.now)
            ),
            verb(format!("retry {id}")),
        ),
        Hindrance::BudgetSpent(overrun) => (overrun.words(), verb(overrun.remedy(id))),
        Hindrance::WorkerEnding { run } => (
            format!("the worker of its run {run} is being ended; the next one starts when nothing of it is left"),
            None,
        ),
        Hindrance::CapFull { cap, limit, workers } => {
            let whose = match cap {
                Cap::Global => "workers may run at once (`dispatch.max_running`)".to_owned(),
                Cap::Profile(profile) => format!("workers of the profile `{profile}` may run at once"),
                Cap::Board(board) => {
                    format!("workers of the board `{board}` may run at once (`dispatch.max_running_per_board`)")
                }
            };
            let seen = || workers.iter().filter(|worker| !unseen.contains(worker));
            let names: Vec<_> = seen().take(NAMED).map(|(_, task)| task.to_string()).collect();
            let more = workers.len() - names.len();
            let and_more = match (more, names.is_empty()) {
                (0, _) => String::new(),
                (_, true) => format!("{more} that you may not look at"),
                (_, false) => format!(" and {more} more"),
            };
            let command = seen().next().map(|(board, task)| cancel(board, task, view));
            (
                format!(
                    "{limit} {whose}, and {} do; it starts when one of them ends: {}{and_more}",
                    workers.len(),
                    names.join(", ")
                ),
                command,
            )
        }
        Hindrance::DirectoryBusy { directory, board, task } if unseen.iter().any(|(b, t)| (b, t) == (board, task)) => {
            (format!("another task is at work in `{}`; it starts when that one ends", one_line(directory)), None)
        }
        Hindrance::DirectoryBusy { directory, board, task } => (
            format!("{task} is at work in `{}`; it starts when that one ends", one_line(directory)),
            Some(cancel(board, task, view)),
        ),
        Hindrance::DirectoryGone { directory } => (
            format!(
                "its directory `{}` is gone; put it back, and it starts within half a minute, or at once with the command, and no attempt is spent",
                one_line(directory)
            ),
            verb("dispatch now".to_owned()),
        ),
    }
}

fn by_settings(key: &str, view: &View<'_>) -> String {
    format!(
        "the settings say `{key} = true`; set it to `false` in `{}`, and have them read again with a restart or SIGHUP",
        one_line(&view.settings.file().display().to_string())
    )
}

fn since_when(since: Option<Millis>, view: &View<'_>) -> String {
    since.map_or(String::new(), |since| format!(" since {}", view.moment(since)))
}

fn said(text: Option<&str>, otherwise: &str) -> String {
    text.map_or_else(|| otherwise.to_owned(), |text| first_line(text, WIDTH))
}

/// The command that ends a task of any board.
fn cancel(board: &BoardSlug, task: &TaskId, view: &View<'_>) -> String {
    if board == view.board.slug() {
        format!("{} cancel {task}", view.here)
    } else {
        format!("{} --board {board} cancel {task}", view.prefix)
    }
}
