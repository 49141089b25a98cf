//! What live cards show, and the one line that tells a channel how a task has ended.

use kanban_platform::{Block, Urgency};

use crate::{
    board::{
        announcement::{Announcement, card_actions, span},
        button::Offer,
        error::Error,
        event::Kind,
        finish::first_line,
        id::{BoardSlug, ProfileName, TaskId},
        run::{Outcome, Run},
        task::{Status, Task},
    },
    clock::Millis,
};

/// So many children are named on a card; the others are counted.
const NAMED: usize = 5;

/// The body of a card, and its buttons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Face {
    pub body: Vec<Block>,
    pub actions: Vec<Offer>,
}

impl Face {
    /// By this it is known whether two look the same.
    pub(crate) fn shown(&self) -> Result<String, Error> {
        let labels: Vec<&str> = self.actions.iter().map(|offer| offer.label.as_str()).collect();
        Ok(serde_json::to_string(&(&self.body, labels))?)
    }
}

/// How the card of a task begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// As the answer to the command that made it.
    Created,
    Title,
}

impl Lead {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Title => "title",
        }
    }

    pub(crate) fn read(text: &str) -> Self {
        if text == Self::Created.as_str() { Self::Created } else { Self::Title }
    }
}

/// A task that was made for another one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Offspring {
    pub(crate) id: TaskId,
    pub(crate) status: Status,
}

/// What there is to see of a task.
pub(crate) struct Sight<'a> {
    pub(crate) task: &'a Task,
    /// The latest.
    pub(crate) run: Option<&'a Run>,
    pub(crate) waits_for: &'a [TaskId],
    pub(crate) offspring: &'a [Offspring],
    pub(crate) is_cancelled: bool,
    pub(crate) now: Millis,
}

/// One status of a board: how many tasks are in it, and the newest of them.
pub(crate) struct Column {
    pub(crate) status: Status,
    pub(crate) tasks: i64,
    pub(crate) newest: Vec<Newest>,
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Newest {
    pub(crate) id: TaskId,
    pub(crate) title: String,
    pub(crate) assignee: Option<ProfileName>,
}

pub(crate) fn of_task(lead: Lead, sight: &Sight<'_>) -> Face {
    let Sight { task, run, waits_for, offspring, .. } = sight;
    let mut details = Vec::new();
    if let Some(words) = words_of(sight) {
        details.push(Block::Quote(words));
    }
    if !waits_for.is_empty() {
        let ids = waits_for.iter().map(ToString::to_string);
        details.push(Block::Text(format!("Waits for {}", named(ids.collect()))));
    }
    if !offspring.is_empty() {
        let over = offspring.iter().filter(|child| child.status.satisfies_children()).count();
        let each = offspring.iter().map(|child| format!("{} ({})", child.id, child.status)).collect();
        details.push(Block::Text(format!("{over} of {} follow-up tasks done: {}", offspring.len(), named(each))));
    }
    let head = match lead {
        Lead::Title => Block::Title(task.title.clone()),
        Lead::Created => Block::Text(created(task)),
    };
    let is_news = run.is_some() || !details.is_empty() || lead == Lead::Title;
    let mut body = vec![head];
    body.extend(details);
    if is_news {
        body.push(Block::Footer(footer(state(sight), task, *run, sight.now)));
    }
    Face { body, actions: card_actions(task, sight.now) }
}

pub(crate) fn of_board(board: &BoardSlug, columns: &[Column]) -> Face {
    let mut body = vec![Block::Title(format!("Board {board}"))];
    for column in columns {
        let mut lines = vec![format!("{}: {}", column.status, column.tasks)];
        lines.extend(column.newest.iter().map(|task| {
            let title = short(&task.title);
            match &task.assignee {
                Some(profile) => format!("• {title} · @{profile} · {}", task.id),
                None => format!("• {title} · {}", task.id),
            }
        }));
        let more = column.tasks - i64::try_from(column.newest.len()).unwrap_or(0);
        if more > 0 {
            lines.push(format!("• and {more} more"));
        }
        body.push(Block::Text(lines.join("\n")));
    }
    if columns.is_empty() {
        body.push(Block::Text("There are no tasks. To make one: `/kanban create WHAT IS TO BE DONE`".to_owned()));
    }
    Face { body, actions: Vec::new() }
}

/// The line by which a command that made a task says so.
pub fn created(task: &Task) -> String {
    let assignee = task.assignee.as_ref().map_or("-", ProfileName::as_str);
    format!("Created {} \"{}\" ({}, assignee={assignee})", task.id, task.title, task.status)
}

/// The same in a channel, where the rest is in the task's own thread.
pub fn created_elsewhere(task: &Task) -> String {
    match &task.assignee {
        Some(profile) => format!("Created {} “{}” ({}, @{profile})", task.id, task.title, task.status),
        None => format!("Created {} “{}” ({})", task.id, task.title, task.status),
    }
}

/// How a task has ended, in one line.
pub(crate) fn ping(kind: Kind, task: &Task, run: Option<&Run>) -> Announcement {
    let state = if kind == Kind::Completed {
        "done"
    } else if kind == Kind::GaveUp {
        "failed"
    } else if kind == Kind::BudgetSpent {
        "out of budget"
    } else {
        kind.as_str()
    };
    let mut line = format!("{state}: {}", short(&task.title));
    if let Some(profile) = run.and_then(|run| run.profile.as_ref()).or(task.assignee.as_ref()) {
        line.push_str(&format!(" · @{profile}"));
    }
    if let Some((run, ended)) = run.and_then(|run| Some((run, run.ended_at.filter(|ended| *ended > run.started_at)?))) {
        line.push_str(&format!(" · {}", span(ended - run.started_at)));
    }
    line.push_str(&format!(" · {}", task.id));
    Announcement { body: vec![Block::Text(line)], actions: Vec::new(), urgency: Urgency::News }
}

/// Where the task stands, as people say it.
fn state(sight: &Sight<'_>) -> String {
    let Sight { task, run, now, .. } = sight;
    match task.status {
        Status::Triage if task.block_recurrences > 0 => "needs a decision".to_owned(),
        Status::Triage => "in triage".to_owned(),
        Status::Todo => "waiting".to_owned(),
        Status::Scheduled => match task.not_before {
            Some(at) if at > *now => format!("scheduled, in {}", span(at - now)),
            Some(_) | None => "scheduled".to_owned(),
        },
        Status::Ready => match (task.not_before.filter(|at| at > now), run.and_then(|run| run.outcome)) {
            (Some(at), Some(Outcome::RateLimited)) => format!("rate limited, tries again in {}", span(at - now)),
            (Some(_), Some(Outcome::AuthFailed)) => "waits for somebody to log its agent in".to_owned(),
            (Some(_), _) if task.last_error.is_none() => "waits for the files that were sent with it".to_owned(),
            (Some(at), _) => format!("failed, tries again in {}", span(at - now)),
            (None, _) => "ready".to_owned(),
        },
        Status::Running if run.is_some_and(|run| run.review.is_some()) => "under review".to_owned(),
        Status::Running => "running".to_owned(),
        Status::Blocked
            if run.is_some_and(|run| run.outcome == Some(Outcome::BudgetSpent)) && task.block_kind.is_none() =>
        {
            "out of budget".to_owned()
        }
        Status::Blocked
            if run.is_some_and(|run| run.outcome.is_some_and(Outcome::is_failure)) && task.last_error.is_some() =>
        {
            "gave up".to_owned()
        }
        Status::Blocked if task.needs_person() => "waits for an answer".to_owned(),
        Status::Blocked => "blocked".to_owned(),
        Status::Review => "in review".to_owned(),
        Status::Done => "done".to_owned(),
        Status::Archived if sight.is_cancelled => "cancelled".to_owned(),
        Status::Archived => "archived".to_owned(),
    }
}

/// The worker's latest words, where no message of its own tells them.
fn words_of(sight: &Sight<'_>) -> Option<String> {
    let Sight { task, run, .. } = sight;
    let words = match task.status {
        Status::Running => run.and_then(|run| run.heartbeat_note.as_deref()),
        Status::Ready | Status::Todo => task.last_error.as_deref(),
        Status::Triage | Status::Scheduled | Status::Blocked | Status::Review | Status::Done | Status::Archived => None,
    };
    words.map(|words| first_line(words.trim())).filter(|words| !words.is_empty())
}

fn footer(state: String, task: &Task, run: Option<&Run>, now: Millis) -> String {
    let mut footer = state;
    if let Some(profile) = run.and_then(|run| run.profile.as_ref()).or(task.assignee.as_ref()) {
        footer.push_str(&format!(" · @{profile}"));
    }
    if let Some(run) = run {
        let took = run.ended_at.unwrap_or(now) - run.started_at;
        if took >= 100 {
            footer.push_str(&format!(" · {}", span(took)));
        }
        footer.push_str(&format!(" · attempt {}", run.attempt));
    }
    if !task.cost.is_zero() {
        footer.push_str(&match task.max_cost {
            Some(most) => format!(" · cost {} of {most}", task.cost),
            None => format!(" · cost {}", task.cost),
        });
    }
    footer.push_str(&format!(" · {}", task.id));
    footer
}

/// The first of a list, and how many more there are.
fn named(mut each: Vec<String>) -> String {
    let more = each.len().saturating_sub(NAMED);
    each.truncate(NAMED);
    if more > 0 {
        each.push(format!("and {more} more"));
    }
    each.join(", ")
}

/// A title that takes one line.
pub(crate) fn short(title: &str) -> String {
    const LONGEST: usize = 80;
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    match title.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", title[..end].trim_end()),
        None => title,
    }
}
