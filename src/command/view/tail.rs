//! `tail`: the latest events of a task.

use jiff::tz::TimeZone;

use super::{View, moment};
use crate::{
    board::{Error, Tx, event::Event},
    command::{reply::Reply, verbs},
};

/// How many events are shown.
const EVENTS: i64 = 20;

/// Answers at once; the command line goes on from here by itself.
pub async fn tail(tx: &mut Tx, args: &verbs::Tail, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let events = tx.last_events_of(&task.id, EVENTS).await?;
    let events = view.seen_in(tx, events).await?;
    let lines: Vec<_> = events.iter().map(|event| line(event, view.zone)).collect();
    let text = if lines.is_empty() { "(no events)".to_owned() } else { lines.join("\n") };
    Ok(Reply::text(text).about(&task.id))
}

/// An event as one line: time, kind, and payload as JSON.
pub fn line(event: &Event, zone: &TimeZone) -> String {
    format!("[{}] {}", moment(event.created_at, zone), without_time(event))
}

/// Payloads are JSON of ours, so no text in them can break the line.
pub(super) fn without_time(event: &Event) -> String {
    match &event.payload {
        Some(payload) => format!("{} {}", event.kind.as_str(), super::text::one_line(payload)),
        None => event.kind.as_str().to_owned(),
    }
}
