//! `why`: the one reason that a task is where it is, and the command that would move it.

use serde_json::json;

use super::{View, answer::Answer};
use crate::{
    board::{
        BoardSlug, Error, ProfileName, TaskId, Tx,
        budget::Overrun,
        task::{Status, Task},
    },
    clock::Millis,
    command::{reply::Reply, verbs},
    dispatcher::{
        is_without_directory,
        scene::{Candidate, Hindrance},
    },
    settings::Kind,
    suggest::nearest,
};

pub async fn why(tx: &mut Tx, args: &verbs::Why, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let reason = reason(tx, &task, view).await?;
    let unseen = reason.unseen(tx, view).await?;
    let Answer { detail, command } = reason.answer(&task, view, &unseen);
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
    Triage {
        waits_for_parents: bool,
    },
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
    Question {
        since: Option<Millis>,
    },
    Blocked {
        since: Option<Millis>,
    },
    GaveUp,
    /// It is held until it may use more.
    BudgetSpent(Overrun),
    Review,
    /// It is ready, or its time has come, and the dispatcher does not start it.
    Hindered(Hindrance),
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

/// Decides why a task is where it is: what it waits for itself, and of a ready task what the dispatcher decides.
pub async fn reason(tx: &mut Tx, task: &Task, view: &View<'_>) -> Result<Reason, Error> {
    Ok(match task.status {
        Status::Triage if task.needs_person() => Reason::Question { since: asked(tx, task).await? },
        Status::Triage => Reason::Triage { waits_for_parents: !tx.open_parents(&task.id).await?.is_empty() },
        Status::Todo => match open_parents(tx, task, view).await? {
            (open, 0) if open.is_empty() => Reason::Held,
            (open, unseen) => Reason::UnmetParents { open, unseen },
        },
        Status::Scheduled => match task.not_before {
            // The next look releases it, as it would a ready task.
            Some(due) if due <= view.now => ready(tx, &Task { not_before: None, ..task.clone() }, view).await?,
            until => Reason::Scheduled { until },
        },
        Status::Blocked if task.is_held_for_budget() => {
            match task.overrun(view.settings.budget_of(task.assignee.as_ref())) {
                Some(overrun) => Reason::BudgetSpent(overrun),
                // The settings allow more by now.
                None => Reason::GaveUp,
            }
        }
        Status::Blocked if has_given_up(task.last_error.as_deref(), task.block_reason.as_deref()) => Reason::GaveUp,
        Status::Blocked if task.needs_person() => Reason::Question { since: asked(tx, task).await? },
        Status::Blocked => Reason::Blocked { since: tx.latest_hold(&task.id).await?.map(|event| event.created_at) },
        Status::Review => match tx.open_review(&task.id).await?.and_then(|review| review.reviewer) {
            Some(reviewer) => held(tx, task, Candidate::of_review(view.board.slug(), task, &reviewer), view).await?,
            None => Reason::Review,
        },
        Status::Ready => ready(tx, task, view).await?,
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

/// A task of a board.
pub(super) type Elsewhere = (BoardSlug, TaskId);

impl Reason {
    /// The tasks in it that the asker may not look at.
    pub(super) async fn unseen(&self, tx: &mut Tx, view: &View<'_>) -> Result<Vec<Elsewhere>, Error> {
        let named: Vec<Elsewhere> = match self {
            Self::Hindered(Hindrance::CapFull { workers, .. }) => workers.clone(),
            Self::Hindered(Hindrance::DirectoryBusy { board, task, .. }) => vec![(board.clone(), task.clone())],
            Self::Hindered(Hindrance::ProfileParked(parked)) => {
                parked.task.iter().map(|task| (parked.board.clone(), task.clone())).collect()
            }
            _ => Vec::new(),
        };
        let mut unseen = Vec::new();
        for (board, task) in named {
            let is_seen = if board == *view.board.slug() {
                match tx.task(&task).await {
                    Ok(task) => view.sees(&task),
                    Err(Error::Refused(_)) => false,
                    Err(fault) => return Err(fault),
                }
            } else {
                view.sees_other_boards() && !view.hidden.contains(&board)
            };
            if !is_seen {
                unseen.push((board, task));
            }
        }
        Ok(unseen)
    }

    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Triage { .. } => "triage",
            Self::UnmetParents { .. } => "unmet_parents",
            Self::Held => "held",
            Self::Scheduled { .. } => "scheduled",
            Self::Question { .. } => "question",
            Self::Blocked { .. } => "blocked",
            Self::GaveUp => "gave_up",
            Self::BudgetSpent(_) => "budget_spent",
            Self::Review => "review",
            Self::Hindered(hindrance) => hindrance.code(),
            Self::Starting => "starting",
            Self::Running { .. } => "running",
            Self::Done => "done",
            Self::Archived => "archived",
        }
    }
}

/// Why a task that waits for nothing of its own has not started yet.
async fn ready(tx: &mut Tx, task: &Task, view: &View<'_>) -> Result<Reason, Error> {
    let (open, unseen) = open_parents(tx, task, view).await?;
    if !task.parents_waived && (!open.is_empty() || unseen > 0) {
        return Ok(Reason::UnmetParents { open, unseen });
    }
    held(tx, task, Candidate::of(view.board.slug(), task), view).await
}

/// Why the dispatcher does not start a task, or a look at its work.
async fn held(tx: &mut Tx, task: &Task, mut candidate: Candidate<'_>, view: &View<'_>) -> Result<Reason, Error> {
    let scene = view.scene(tx).await?;
    candidate.is_gone = is_without_directory(tx, task).await?;
    Ok(scene.hindrance(&candidate).map_or(Reason::Starting, Reason::Hindered))
}

/// Since when a task waits for an answer.
async fn asked(tx: &mut Tx, task: &Task) -> Result<Option<Millis>, Error> {
    let question = tx.open_question(&task.id).await?;
    let hold = tx.latest_hold(&task.id).await?;
    Ok(question.map(|question| question.asked_at).or(hold.map(|event| event.created_at)))
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
