//! `list`: the tasks of the board, a page at a time.

use std::fmt::Write;

use clap::ValueEnum;
use serde_json::Value;

use super::{
    View, document,
    text::{counted, one_line},
};
use crate::{
    board::{
        Error, Tx,
        error::refuse,
        task::{Status, Task},
        view::{Filter, Order},
    },
    command::{
        reply::Reply,
        value::{Assignee, Limit},
        verbs,
    },
};

/// How many rows are shown where the asker does not say.
const PAGE: i64 = 50;

pub async fn list(tx: &mut Tx, args: &verbs::List, view: &View<'_>) -> Result<Reply, Error> {
    let filter = filter(args, view)?;
    let rows = match args.limit {
        Some(Limit::Rows(rows)) => Some(i64::from(rows)),
        Some(Limit::All) => None,
        None if args.json => None,
        None => Some(PAGE),
    };
    // One row more than is shown tells whether there are more.
    let mut tasks = tx.list(&filter, rows.map_or(i64::MAX, |rows| rows + 1)).await?;
    let shown = rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
    let more = tasks.len() > shown;
    tasks.truncate(shown);
    if args.json {
        return Ok(Reply::json(&Value::Array(tasks.iter().map(document::task).collect())));
    }
    let mut text = header(view)?;
    if tasks.is_empty() {
        text.push_str("(no matching tasks)");
        return Ok(Reply::text(text));
    }
    text.push_str(&tasks.iter().map(row).collect::<Vec<_>>().join("\n"));
    if let (true, Some(last)) = (more, tasks.last()) {
        let next = next_page(args, last, view);
        let _ = write!(text, "\n\n{} shown, there are more; next: {next}", counted(tasks.len(), "task"));
    }
    Ok(Reply::text(text))
}

fn filter(args: &verbs::List, view: &View<'_>) -> Result<Filter, Error> {
    let (assignee, unassigned) = match (&args.assignee, args.mine, view.asker) {
        (Some(Assignee::Nobody), _, _) => (None, true),
        (Some(Assignee::Profile(name)), _, _) => (Some(name.clone()), false),
        (None, false, _) => (None, false),
        (None, true, Some(asker)) => (Some(asker.clone()), false),
        (None, true, None) => refuse!(
            Unknown,
            "`--mine` shows the tasks of the profile that asks, and no profile bears your name; `{} list --assignee PROFILE` names one",
            view.here
        ),
    };
    Ok(Filter {
        status: args.status.map(status),
        assignee,
        unassigned,
        tenant: args.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
        session: args.session.clone(),
        workflow_template: args.workflow_template_id.clone(),
        step_key: args.step_key.clone(),
        archived: args.archived,
        order: args.sort.map_or(Order::default(), order),
        after: args.after.clone(),
    })
}

/// Names the board, where there is more than one to mistake it for.
fn header(view: &View<'_>) -> Result<String, Error> {
    let others =
        view.boards.names()?.iter().filter(|name| *name != view.board.slug() && !view.hidden.contains(name)).count();
    Ok(match others {
        0 => String::new(),
        others => format!(
            "Board: {} ({} — `{} boards list`)\n\n",
            view.board.slug(),
            counted(others, "other board"),
            view.prefix
        ),
    })
}

fn row(task: &Task) -> String {
    let assignee = task.assignee.as_ref().map_or("(unassigned)", |name| name.as_str());
    let tenant = task.tenant.as_ref().map_or(String::new(), |tenant| format!("[{}] ", one_line(tenant)));
    format!(
        "{} {}  {:<8}  {assignee:<20} {tenant} {}",
        icon(task.status),
        task.id,
        task.status.as_str(),
        one_line(&task.title)
    )
}

fn icon(status: Status) -> char {
    match status {
        Status::Triage => '?',
        Status::Todo => '◻',
        Status::Scheduled => '⏱',
        Status::Ready => '▶',
        Status::Running => '●',
        Status::Blocked => '⊘',
        Status::Review => '◎',
        Status::Done => '✓',
        Status::Archived => '—',
    }
}

/// The command for the rows behind the last one shown, with all that the asker had asked for.
fn next_page(args: &verbs::List, last: &Task, view: &View<'_>) -> String {
    let mut command = format!("{} list", view.here);
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(command, " --{name} {}", view.word(&value));
        }
    };
    let assignee = args.assignee.as_ref().map(|assignee| match assignee {
        Assignee::Nobody => "none".to_owned(),
        Assignee::Profile(name) => name.to_string(),
    });
    option("assignee", assignee);
    option("status", args.status.as_ref().and_then(typed));
    option("tenant", args.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()));
    option("session", args.session.clone());
    option("workflow-template-id", args.workflow_template_id.clone());
    option("step-key", args.step_key.clone());
    option("sort", args.sort.as_ref().and_then(typed));
    if let Some(Limit::Rows(rows)) = args.limit {
        option("limit", Some(rows.to_string()));
    }
    option("after", Some(last.id.to_string()));
    for (flag, given) in [("mine", args.mine), ("archived", args.archived)] {
        if given {
            let _ = write!(command, " --{flag}");
        }
    }
    command
}

/// A choice by the name that people type.
fn typed<C: ValueEnum>(choice: &C) -> Option<String> {
    choice.to_possible_value().map(|value| value.get_name().to_owned())
}

fn status(status: verbs::Status) -> Status {
    match status {
        verbs::Status::Triage => Status::Triage,
        verbs::Status::Todo => Status::Todo,
        verbs::Status::Scheduled => Status::Scheduled,
        verbs::Status::Ready => Status::Ready,
        verbs::Status::Running => Status::Running,
        verbs::Status::Blocked => Status::Blocked,
        verbs::Status::Review => Status::Review,
        verbs::Status::Done => Status::Done,
        verbs::Status::Archived => Status::Archived,
    }
}

fn order(sort: verbs::Sort) -> Order {
    match sort {
        verbs::Sort::Created => Order::Created,
        verbs::Sort::CreatedDesc => Order::CreatedDesc,
        verbs::Sort::Priority => Order::Priority,
        verbs::Sort::PriorityDesc => Order::PriorityDesc,
        verbs::Sort::Status => Order::Status,
        verbs::Sort::Assignee => Order::Assignee,
        verbs::Sort::Title => Order::Title,
        verbs::Sort::Updated => Order::Updated,
    }
}
