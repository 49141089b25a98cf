//! `audit`: who did what from where.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    board::{BoardSlug, Error, audit::Entry},
    command::{desk::Desk, reply::Reply, verbs::Audit},
};

/// Shows the newest entries of the named board, or of all.
pub(super) async fn show(desk: &Desk, named: Option<&BoardSlug>, args: &Audit) -> Result<Reply, Error> {
    let boards = match named {
        Some(slug) => vec![desk.boards.get(slug).await?],
        None => desk.boards.all().await?,
    };
    let limit = i64::from(args.limit);
    let mut entries = Vec::new();
    for board in boards {
        entries.extend(board.read().await?.audit(args.task.as_ref(), args.person.as_deref(), limit).await?);
    }
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if args.json {
        return Ok(Reply::json(&Value::Array(entries.iter().map(document).collect())));
    }
    if entries.is_empty() {
        return Ok(Reply::text("(nothing was done yet)"));
    }
    let lines: Vec<String> = entries.iter().map(line).collect();
    Ok(Reply { is_fixed: true, ..Reply::text(lines.join("\n")) })
}

fn line(entry: &Entry) -> String {
    let at = Timestamp::from_millisecond(entry.at)
        .map_or_else(|_| entry.at.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let verb = if entry.verb.is_empty() { "-" } else { &entry.verb };
    let task = entry.task_id.as_ref().map_or(String::new(), |task| format!(" {task}"));
    format!(
        "{at}  {}  {verb}{task} on {}  {}  by {} in {}",
        entry.person, entry.board, entry.outcome, entry.road, entry.place
    )
}

fn document(entry: &Entry) -> Value {
    json!({
        "at": entry.at / 1000, "person": entry.person, "place": entry.place, "road": entry.road, "verb": entry.verb,
        "task": entry.task_id.as_ref().map(ToString::to_string), "board": entry.board, "outcome": entry.outcome,
    })
}
