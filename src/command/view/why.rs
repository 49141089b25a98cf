//! `why`: the one reason that a task is where it is, and the command that would move it.

use std::num::NonZeroU32;

use serde_json::json;

use super::{
    View,
    circumstances::Circumstances,
    text::{counted, first_line, one_line},
};
use crate::{
    board::{
        BoardSlug, Error, ProfileName, TaskId, Tx,
        announcement::span,
        task::{Status, Task, WorkspaceKind},
        view::Symptom,
    },
    clock::Millis,
    command::{reply::Reply, verbs},
    settings::Kind,
    suggest::nearest,
};

pub async fn why(tx: &mut Tx, args: &verbs::Why, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let reason = reason(tx, &task, view).await?;
    let Answer { detail, command } = reason.answer(&task, view);
    if args.json {
        return Ok(Reply::json(&json!({
            "task_id": task.id,
            "status": task.status,
            "reason": reason.code(),
            "detail": detail,
            "command": command,
        }))
        .about(&task.id));
    }
    let mut text = format!("{} is {} ({}): {detail}", task.id, task.status, reason.code());
    if let Some(command) = command {
        text.push_str(&format!("\nNext: `{command}`"));
    }
    Ok(Reply::text(text).about(&task.id))
}

/// Why a task is where it is. Exactly one holds for each task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Triage,
    UnmetParents {
        open: Vec<(TaskId, Status)>,
        /// How many there are beside them that the asker may not look at.
        unseen: usize,
    },
    /// It waits although none of its parents is open.
    Held,
    Scheduled {
        until: Option<Millis>,
    },
    Question,
    Blocked,
    GaveUp,
    Review,
    Unassigned,
    UnknownProfile {
        profile: ProfileName,
    },
    Paused {
        by_settings: bool,
    },
    ProfilePaused {
        profile: ProfileName,
        by_settings: bool,
    },
    NoGateway,
    ProfileParked {
        profile: ProfileName,
        until: Millis,
        why: String,
    },
    BackOff {
        until: Millis,
    },
    CapFull {
        cap: Cap,
        limit: NonZeroU32,
        workers: Vec<(BoardSlug, TaskId)>,
    },
    DirectoryGone {
        directory: String,
    },
    DirectoryBusy {
        directory: String,
        board: BoardSlug,
        task: TaskId,
    },
    Starting,
    Running {
        since: Millis,
        holder: String,
        run: i64,
        seen: Option<Millis>,
    },
    Done,
    Archived,
}

/// What a cap counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cap {
    Global,
    Profile(ProfileName),
    Board(BoardSlug),
}

/// A reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub detail: String,
    /// The command that would move the task; none where nothing is to be done.
    pub command: Option<String>,
}

/// Decides why a task is where it is.
///
/// What the task itself lacks comes first, then what somebody has stopped by hand, then a missing gateway, and last what
/// passes by itself: the end of a later reason would not move the task while an earlier one holds.
pub async fn reason(tx: &mut Tx, task: &Task, view: &View<'_>) -> Result<Reason, Error> {
    Ok(match task.status {
        Status::Triage => Reason::Triage,
        Status::Todo => match open_parents(tx, task, view).await? {
            (open, 0) if open.is_empty() => Reason::Held,
            (open, unseen) => Reason::UnmetParents { open, unseen },
        },
        Status::Scheduled => match task.not_before {
            Some(due) if due <= view.now && view.gateway_runs => Reason::Starting,
            Some(due) if due <= view.now => Reason::NoGateway,
            until => Reason::Scheduled { until },
        },
        Status::Blocked if has_given_up(task.last_error.as_deref(), task.block_reason.as_deref()) => Reason::GaveUp,
        Status::Blocked if task.needs_person() => Reason::Question,
        Status::Blocked => Reason::Blocked,
        Status::Review => Reason::Review,
        Status::Ready => match open_parents(tx, task, view).await? {
            (open, unseen) if !task.parents_waived && (!open.is_empty() || unseen > 0) => {
                Reason::UnmetParents { open, unseen }
            }
            _ => hindrance(&task.into(), &Circumstances::gather(tx, view).await?, view),
        },
        Status::Running => match task.current_run {
            Some(run) => {
                let run = tx.run(run).await?;
                Reason::Running { since: run.started_at, holder: run.holder, run: run.id, seen: run.last_heartbeat_at }
            }
            None => Reason::Starting,
        },
        Status::Done => Reason::Done,
        Status::Archived => Reason::Archived,
    })
}

impl Reason {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::UnmetParents { .. } => "unmet_parents",
            Self::Held => "held",
            Self::Scheduled { .. } => "scheduled",
            Self::Question => "question",
            Self::Blocked => "blocked",
            Self::GaveUp => "gave_up",
            Self::Review => "review",
            Self::Unassigned => "unassigned",
            Self::UnknownProfile { .. } => "unknown_profile",
            Self::Paused { .. } => "paused",
            Self::ProfilePaused { .. } => "profile_paused",
            Self::NoGateway => "no_gateway",
            Self::ProfileParked { .. } => "profile_parked",
            Self::BackOff { .. } => "back_off",
            Self::CapFull { .. } => "cap_full",
            Self::DirectoryGone { .. } => "directory_gone",
            Self::DirectoryBusy { .. } => "directory_busy",
            Self::Starting => "starting",
            Self::Running { .. } => "running",
            Self::Done => "done",
            Self::Archived => "archived",
        }
    }

    /// The reason in words, for the task that it holds for.
    pub fn answer(&self, task: &Task, view: &View<'_>) -> Answer {
        let id = &task.id;
        let said = |text: &Option<String>, otherwise: &str| {
            text.as_deref().map_or_else(|| otherwise.to_owned(), |text| first_line(text, WIDTH))
        };
        let verb = |words: String| Some(format!("{} {words}", view.here));
        let anywhere = |words: String| Some(format!("{} {words}", view.prefix));
        let (detail, command) = match self {
            Self::Triage => {
                let detail = match &task.block_reason {
                    Some(reason) => format!(
                        "it was blocked again for the same kind of reason and waits for a decision: {}",
                        first_line(reason, WIDTH)
                    ),
                    None => "it waits for somebody to decide that it is worth doing".to_owned(),
                };
                (detail, verb(format!("promote {id}")))
            }
            Self::UnmetParents { open, unseen } => {
                let mut parents: Vec<_> = open.iter().map(|(parent, status)| format!("{parent} ({status})")).collect();
                if *unseen > 0 {
                    parents.push(format!("{unseen} that you may not look at"));
                }
                let command = match (task.status, open.first()) {
                    (Status::Ready, Some((parent, _))) => verb(format!("why {parent}")),
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
            Self::Question => (
                format!("it waits for an answer by a person: {}", said(&task.block_reason, "(no question was given)")),
                verb(format!("answer {id} {}", view.word("YOUR ANSWER"))),
            ),
            Self::Blocked => {
                let kind = task.block_kind.map_or(String::new(), |kind| format!(" ({})", kind.as_str()));
                let reason = said(&task.block_reason, "no reason was given");
                (format!("it is blocked{kind}: {reason}"), verb(format!("unblock {id}")))
            }
            Self::GaveUp => (
                format!(
                    "its attempts are used up{}; the last ended so: {}",
                    if task.failures > 0 {
                        format!(" ({} in a row)", counted(usize::try_from(task.failures).unwrap_or(0), "failure"))
                    } else {
                        String::new()
                    },
                    said(&task.last_error, "unknown")
                ),
                verb(format!("retry {id}")),
            ),
            Self::Review => {
                ("it waits for somebody to look at what was done".to_owned(), verb(format!("complete {id}")))
            }
            Self::Unassigned => (
                "no profile is to do it".to_owned(),
                verb(format!("assign {id} {}", suggested_profile(None, view).unwrap_or("PROFILE"))),
            ),
            Self::UnknownProfile { profile } => {
                let suggested = suggested_profile(Some(profile), view);
                let known: Vec<_> = view.settings.profiles.iter().map(|known| format!("`{}`", known.name)).collect();
                (
                    format!("there is no profile `{profile}`; there are {}", known.join(", ")),
                    verb(format!("assign {id} {}", suggested.unwrap_or("PROFILE"))),
                )
            }
            Self::Paused { by_settings: false } => {
                ("the dispatcher is paused".to_owned(), anywhere("dispatch resume".to_owned()))
            }
            Self::Paused { by_settings: true } => (
                "the settings say `dispatch.paused = true`; set it to `false` there".to_owned(),
                anywhere("settings show".to_owned()),
            ),
            Self::ProfilePaused { profile, by_settings: false } => {
                (format!("the profile `{profile}` is paused"), anywhere(format!("dispatch resume {profile}")))
            }
            Self::ProfilePaused { profile, by_settings: true } => (
                format!("the settings say `profiles.{profile}.paused = true`; set it to `false` there"),
                anywhere("settings show".to_owned()),
            ),
            // This one is typed into a terminal, wherever the question came from.
            Self::NoGateway => {
                ("no gateway runs, and only a gateway starts workers".to_owned(), Some("kanban up".to_owned()))
            }
            Self::ProfileParked { profile, until, why } => (
                format!(
                    "the profile `{profile}` rests until {}, for {} more: {}",
                    view.moment(*until),
                    span(until - view.now),
                    one_line(why)
                ),
                anywhere(format!("dispatch resume {profile}")),
            ),
            Self::BackOff { until } => (
                format!(
                    "it is tried again at {}, in {}; the last attempt ended so: {}",
                    view.moment(*until),
                    span(until - view.now),
                    said(&task.last_error, "unknown")
                ),
                verb(format!("retry {id}")),
            ),
            Self::CapFull { cap, limit, workers } => {
                let whose = match cap {
                    Cap::Global => "workers may run at once (`dispatch.max_running`)".to_owned(),
                    Cap::Profile(profile) => format!("workers of the profile `{profile}` may run at once"),
                    Cap::Board(board) => {
                        format!("workers of the board `{board}` may run at once (`dispatch.max_running_per_board`)")
                    }
                };
                let seen = || workers.iter().filter(|(board, _)| !view.hidden.contains(board));
                let names: Vec<_> = seen().take(NAMED).map(|(_, task)| task.to_string()).collect();
                let more = workers.len() - names.len();
                let and_more = match (more, names.is_empty()) {
                    (0, _) => String::new(),
                    (_, true) => format!("{more} of boards that you do not see"),
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
            Self::DirectoryGone { directory } => (
                format!(
                    "its directory `{}` is gone; put it back, and it starts within half a minute, with no attempt spent",
                    one_line(directory)
                ),
                verb("dispatch now".to_owned()),
            ),
            Self::DirectoryBusy { directory, board, .. } if view.hidden.contains(board) => {
                (format!("another task is at work in `{}`; it starts when that one ends", one_line(directory)), None)
            }
            Self::DirectoryBusy { directory, board, task } => (
                format!("{task} is at work in `{}`; it starts when that one ends", one_line(directory)),
                Some(cancel(board, task, view)),
            ),
            Self::Starting => {
                ("nothing keeps it from starting; it is next".to_owned(), verb("dispatch now".to_owned()))
            }
            Self::Running { since, holder, run, seen } => {
                let seen =
                    seen.map_or(String::new(), |seen| format!(", last sign of life {}", super::age(view.now, seen)));
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
        let waits_for_dispatcher = match self {
            Self::Paused { .. } | Self::ProfilePaused { .. } => !view.gateway_runs,
            Self::Triage
            | Self::UnmetParents { .. }
            | Self::Held
            | Self::Scheduled { .. }
            | Self::Question
            | Self::Blocked
            | Self::GaveUp
            | Self::Review
            | Self::Unassigned
            | Self::UnknownProfile { .. }
            | Self::NoGateway
            | Self::ProfileParked { .. }
            | Self::BackOff { .. }
            | Self::CapFull { .. }
            | Self::DirectoryGone { .. }
            | Self::DirectoryBusy { .. }
            | Self::Starting
            | Self::Running { .. }
            | Self::Done
            | Self::Archived => false,
        };
        let detail = if waits_for_dispatcher { format!("{detail}; and no gateway runs") } else { detail };
        Answer { detail, command }
    }
}

/// What decides whether a ready task may start.
pub(super) struct Candidate<'a> {
    id: &'a TaskId,
    assignee: Option<&'a ProfileName>,
    not_before: Option<Millis>,
    path: Option<&'a str>,
    /// The directory that it shares with other tasks.
    directory: Option<&'a str>,
}

impl<'a> From<&'a Task> for Candidate<'a> {
    fn from(task: &'a Task) -> Self {
        let directory = task.workspace_path.as_deref().filter(|_| task.workspace_kind == WorkspaceKind::Dir);
        Self {
            id: &task.id,
            assignee: task.assignee.as_ref(),
            not_before: task.not_before,
            path: task.workspace_path.as_deref(),
            directory,
        }
    }
}

impl<'a> From<&'a Symptom> for Candidate<'a> {
    fn from(task: &'a Symptom) -> Self {
        let directory = task.workspace_path.as_deref().filter(|_| task.workspace_kind == WorkspaceKind::Dir);
        Self {
            id: &task.task_id,
            assignee: task.assignee.as_ref(),
            not_before: task.not_before,
            path: task.workspace_path.as_deref(),
            directory,
        }
    }
}

/// What keeps a ready task, which waits for no parents, from starting.
pub(super) fn hindrance(task: &Candidate<'_>, circumstances: &Circumstances, view: &View<'_>) -> Reason {
    let dispatch = &view.settings.dispatch;
    let Some(name) = task.assignee.or(dispatch.default_assignee.as_ref()) else {
        return Reason::Unassigned;
    };
    let Some(profile) = view.settings.profiles.get(name) else {
        return Reason::UnknownProfile { profile: name.clone() };
    };
    if view.paused || dispatch.paused {
        return Reason::Paused { by_settings: !view.paused };
    }
    let paused_by_hand = view.paused_profiles.contains(name);
    if paused_by_hand || profile.paused {
        return Reason::ProfilePaused { profile: name.clone(), by_settings: !paused_by_hand };
    }
    if !view.gateway_runs {
        return Reason::NoGateway;
    }
    if let Some((until, why)) = circumstances.rest_of(name) {
        return Reason::ProfileParked { profile: name.clone(), until, why: why.to_owned() };
    }
    if let Some(until) = task.not_before.filter(|until| *until > view.now) {
        return Reason::BackOff { until };
    }
    if circumstances.lacks_directory(task.id) {
        return Reason::DirectoryGone { directory: task.path.unwrap_or_default().to_owned() };
    }
    let of_profile = profile.max_running.or(dispatch.max_running_per_profile);
    let here = view.board.slug();
    let caps = [
        (Cap::Global, Some(dispatch.max_running), circumstances.workers(|_, _| true)),
        (Cap::Profile(name.clone()), of_profile, circumstances.workers(|_, profile| profile == Some(name))),
        (Cap::Board(here.clone()), dispatch.max_running_per_board, circumstances.workers(|board, _| board == here)),
    ];
    for (cap, limit, workers) in caps {
        if let Some(limit) =
            limit.filter(|limit| usize::try_from(limit.get()).is_ok_and(|limit| workers.len() >= limit))
        {
            return Reason::CapFull { cap, limit, workers };
        }
    }
    if let Some((directory, (board, task))) =
        task.directory.and_then(|directory| Some((directory, circumstances.occupant(directory)?)))
    {
        return Reason::DirectoryBusy { directory: directory.to_owned(), board: board.clone(), task: task.clone() };
    }
    Reason::Starting
}

/// Whether a blocked task is blocked because its attempts are used up: then the last error is the reason.
pub(super) fn has_given_up(last_error: Option<&str>, block_reason: Option<&str>) -> bool {
    last_error.is_some() && last_error == block_reason
}

/// A profile that a task might be given to: the one nearest to a mistyped name, else the default one, else an agent.
pub(super) fn suggested_profile<'a>(mistyped: Option<&ProfileName>, view: &View<'a>) -> Option<&'a str> {
    let profiles = &view.settings.profiles;
    let names = || profiles.iter().map(|profile| profile.name.as_str());
    let near = mistyped.and_then(|name| nearest(name.as_str(), names()));
    let default = || view.settings.dispatch.default_assignee.as_ref().map(ProfileName::as_str);
    let agent = || profiles.iter().find(|profile| profile.kind == Kind::Agent).map(|profile| profile.name.as_str());
    near.or_else(default).or_else(agent).or_else(|| names().next())
}

/// How much of a text that somebody wrote is shown, in characters, and how many tasks are named.
const WIDTH: usize = 300;
const NAMED: usize = 3;

/// The parents that are still open and that the asker may look at, and how many others are.
async fn open_parents(tx: &mut Tx, task: &Task, view: &View<'_>) -> Result<(Vec<(TaskId, Status)>, usize), Error> {
    let ids = tx.open_parents(&task.id).await?;
    let all = ids.len();
    let mut open = Vec::new();
    for id in view.seen(tx, ids).await? {
        let status = tx.task(&id).await?.status;
        open.push((id, status));
    }
    let unseen = all - open.len();
    Ok((open, unseen))
}

/// The command that ends a task of any board.
fn cancel(board: &BoardSlug, task: &TaskId, view: &View<'_>) -> String {
    if board == view.board.slug() {
        format!("{} cancel {task}", view.here)
    } else {
        format!("{} --board {board} cancel {task}", view.prefix)
    }
}
