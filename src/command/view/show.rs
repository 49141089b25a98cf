//! `show`: a task with everything that is known of it.

use serde_json::{Value, json};

use super::{
    View, attachments, document, runs,
    tail::without_time,
    text::{behind, continued, one_line},
    why::{Reason, reason},
};
use crate::{
    board::{
        Error, TaskId, Tx,
        announcement::span,
        attachment::Attachment,
        comment::Comment,
        event::Event,
        run::Run,
        task::{BlockKind, Status, Task},
    },
    command::{reply::Reply, verbs},
};

/// How many events the text shows; JSON has all of them.
const EVENTS: i64 = 20;

pub async fn show(tx: &mut Tx, args: &verbs::Show, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let text = if args.json { in_json(tx, &task, args, view).await? } else { in_words(tx, &task, args, view).await? };
    Ok(Reply::text(text).about(&task.id))
}

async fn in_json(tx: &mut Tx, task: &Task, args: &verbs::Show, view: &View<'_>) -> Result<String, Error> {
    let (parents, children) = (tx.parents(&task.id).await?, tx.children(&task.id).await?);
    let events = tx.events_of(&task.id).await?;
    let events = view.seen_in(tx, events).await?;
    let shown = json!({
        "task": document::task(task),
        "latest_summary": tx.latest_summary(&task.id).await?,
        "parents": view.seen(tx, parents).await?,
        "children": view.seen(tx, children).await?,
        "comments": tx.comments(&task.id).await?.iter().map(document::comment).collect::<Vec<_>>(),
        "events": events.iter().map(document::event).collect::<Vec<_>>(),
        "runs": runs::selected(tx.runs_of(&task.id).await?, &args.filter).iter().map(document::run).collect::<Vec<_>>(),
        "attachments": tx.attachments(&task.id).await?.iter().map(document::attachment).collect::<Vec<_>>(),
        "watchers": tx.watches_of_task(task).await?.iter().map(document::watch).collect::<Vec<Value>>(),
    });
    Ok(Reply::json(&shown).text)
}

async fn in_words(tx: &mut Tx, task: &Task, args: &verbs::Show, view: &View<'_>) -> Result<String, Error> {
    let mut lines = vec![format!("Task {}: {}", task.id, one_line(&task.title))];
    lines.extend(head(task, view).into_iter().map(|(name, value)| field(name, &value)));
    let (parents, children) = (tx.parents(&task.id).await?, tx.children(&task.id).await?);
    let (parents, children) = (view.seen(tx, parents).await?, view.seen(tx, children).await?);
    lines.extend(
        [("parents:", parents), ("children:", children)].into_iter().filter_map(|(name, ids)| related(name, &ids)),
    );
    if let Some(quorum) = tx.quorum(&task.id).await? {
        let rest = if quorum.cancels_rest { ", and the others are cancelled then" } else { "" };
        lines.push(field("quorum:", &format!("starts when {} of them are done{rest}", quorum.needed)));
    }
    let watchers = tx.watches_of_task(task).await?;
    if !watchers.is_empty() {
        let threads: Vec<_> = watchers.iter().map(|watch| one_line(&watch.thread().to_string())).collect();
        lines.push(field("followed by:", &threads.join(", ")));
    }
    match reason(tx, task, view).await? {
        Reason::Done | Reason::Archived | Reason::Starting => {}
        reason => {
            let unseen = reason.unseen(tx, view).await?;
            let answer = reason.answer(task, view, &unseen);
            let next = answer.command.map_or(String::new(), |command| format!("; `{command}`"));
            lines.push(field("why:", &format!("{}{next}", answer.detail)));
        }
    }
    let mut sections = vec![lines.join("\n")];
    if let Some(body) = &task.body {
        sections.push(format!("Body:\n{}", behind(INDENT, body)));
    }
    let latest_summary = tx.latest_summary(&task.id).await?;
    if let Some(result) = &task.result {
        sections.push(format!("Result:\n{}", behind(INDENT, result)));
    } else if let Some(summary) = &latest_summary {
        sections.push(format!("Latest summary:\n{}", behind(INDENT, summary)));
    }
    sections.extend(section("Attachments", &tx.attachments(&task.id).await?, attachment));
    sections.extend(section("Comments", &tx.comments(&task.id).await?, |comment| remark(comment, view)));
    let events = tx.last_events_of(&task.id, EVENTS).await?;
    let events = view.seen_in(tx, events).await?;
    let all = tx.count_events_of(&task.id).await?;
    if !events.is_empty() {
        let shown: Vec<_> = events.iter().map(|event| happened(event, view)).collect();
        let latest = if all > EVENTS { format!(", the latest {EVENTS}") } else { String::new() };
        sections.push(format!("Events ({all}{latest}):\n{}", shown.join("\n")));
    }
    let runs = runs::selected(tx.runs_of(&task.id).await?, &args.filter);
    sections.extend(section("Runs", &runs, |run| attempt(run, view)));
    Ok(sections.join("\n\n"))
}

/// Bodies and results are set off, so that no line of theirs can pass for one of ours.
const INDENT: &str = "  ";

fn head(task: &Task, view: &View<'_>) -> Vec<(&'static str, String)> {
    let mut head = vec![
        ("status:", task.status.as_str().to_owned()),
        ("assignee:", task.assignee.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
    ];
    if let Some(tenant) = &task.tenant {
        head.push(("tenant:", one_line(tenant)));
    }
    let workspace = task.workspace_path.as_ref().map_or(String::new(), |path| format!(" @ {}", one_line(path)));
    head.push(("workspace:", format!("{}{workspace}", task.workspace_kind.as_str())));
    if let Some(branch) = &task.branch_name {
        head.push(("branch:", one_line(branch)));
    }
    if task.priority != 0 {
        head.push(("priority:", task.priority.to_string()));
    }
    let skills: Vec<String> = serde_json::from_str(&task.skills).unwrap_or_default();
    if !skills.is_empty() {
        head.push(("skills:", one_line(&skills.join(", "))));
    }
    head.push((
        "max-retries:",
        match task.max_retries {
            Some(retries) => retries.to_string(),
            None => format!("{} (default)", view.settings.dispatch.failure_limit),
        },
    ));
    if let Some(seconds) = task.max_runtime_seconds {
        head.push(("max-runtime:", span(seconds * 1000)));
    }
    let budget = task.budget(view.settings.budget_of(task.assignee.as_ref()));
    if let Some(most) = budget.total_seconds {
        let most = span(most.saturating_mul(1000));
        head.push(("worked:", format!("{} of {most}, over all attempts", span(task.worked_ms))));
    }
    if let Some(most) = budget.cost {
        head.push(("cost:", format!("{} of {most}", task.cost)));
    } else if !task.cost.is_zero() {
        head.push(("cost:", task.cost.to_string()));
    }
    if task.status == Status::Blocked || task.status == Status::Triage {
        head.extend(task.block_kind.map(|kind| ("block kind:", BlockKind::as_str(kind).to_owned())));
    }
    if task.failures > 0 {
        head.push(("failures:", format!("{} in a row", task.failures)));
    }
    head.push(("created:", format!("{} by {}", view.moment(task.created_at), one_line(&task.created_by))));
    head.extend(task.started_at.map(|at| ("started:", view.moment(at))));
    head.extend(task.completed_at.map(|at| ("completed:", view.moment(at))));
    head
}

/// Short names are padded to a common width, as the reference does.
fn field(name: &str, value: &str) -> String {
    format!("  {name:<10} {value}")
}

fn related(name: &str, ids: &[TaskId]) -> Option<String> {
    (!ids.is_empty()).then(|| field(name, &ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
}

fn section<T>(title: &str, rows: &[T], row: impl Fn(&T) -> String) -> Option<String> {
    (!rows.is_empty())
        .then(|| format!("{title} ({}):\n{}", rows.len(), rows.iter().map(row).collect::<Vec<_>>().join("\n")))
}

fn attachment(attachment: &Attachment) -> String {
    attachments::row(attachment)
}

fn remark(comment: &Comment, view: &View<'_>) -> String {
    let said = continued("      ", &comment.body);
    format!("  [{}] {}: {said}", view.moment(comment.created_at), one_line(&comment.author))
}

fn happened(event: &Event, view: &View<'_>) -> String {
    let run = event.run_id.map_or(String::new(), |run| format!("[run {run}] "));
    format!("  [{}] {run}{}", view.moment(event.created_at), without_time(event))
}

fn attempt(run: &Run, view: &View<'_>) -> String {
    let mut text = format!(
        "  #{:<3} {:<12} @{}  {}  {}",
        run.id,
        runs::outcome(run),
        runs::profile(run),
        runs::elapsed(run, view),
        view.moment(run.started_at)
    );
    for said in runs::said(run) {
        text.push_str(&format!("\n        {said}"));
    }
    text
}
