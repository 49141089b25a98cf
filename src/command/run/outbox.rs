//! `outbox`: posts that have not arrived, why, and what becomes of them.

use serde_json::{Value, json};

use crate::{
    board::{Board, Error, announcement::span, delivery::Undelivered, error::refuse},
    command::{
        caller::Caller,
        desk::Desk,
        reply::Reply,
        verbs::{Outbox, OutboxList, OutboxVerb},
    },
};

pub(super) async fn run(desk: &Desk, caller: &Caller, board: &Board, args: &Outbox) -> Result<Reply, Error> {
    match &args.verb {
        None => list(desk, caller, board, &OutboxList::default()).await,
        Some(OutboxVerb::List(args)) => list(desk, caller, board, args).await,
        Some(OutboxVerb::Retry(args)) => {
            let mut tx = board.write().await?;
            let count = tx.retry_deliveries(args.number.map(i64::from), desk.now()).await?;
            known(desk, caller, board, args.number, count)?;
            tx.commit().await?;
            Ok(Reply::text(match count {
                0 => "Every post has arrived; there is nothing to try again".to_owned(),
                1 => "1 post is tried again".to_owned(),
                count => format!("{count} posts are tried again"),
            }))
        }
        Some(OutboxVerb::Purge(args)) => {
            let mut tx = board.write().await?;
            let count = tx.purge_deliveries(args.number.map(i64::from)).await?;
            known(desk, caller, board, args.number, count)?;
            tx.commit().await?;
            Ok(Reply::text(match count {
                0 => "No post was refused for good; there is nothing to give up".to_owned(),
                1 => "1 post was given up".to_owned(),
                count => format!("{count} posts were given up"),
            }))
        }
    }
}

/// Refuses a number that no post has.
fn known(desk: &Desk, caller: &Caller, board: &Board, number: Option<u32>, count: u64) -> Result<(), Error> {
    match number {
        Some(number) if count == 0 => {
            let here = desk.program(caller, board.slug());
            refuse!(Unknown, "no post with the number {number} waits; `{here} outbox list` shows those that do")
        }
        Some(_) | None => Ok(()),
    }
}

async fn list(desk: &Desk, caller: &Caller, board: &Board, args: &OutboxList) -> Result<Reply, Error> {
    let (posts, count) = board.read().await?.undelivered().await?;
    let now = desk.now();
    if args.json {
        return Ok(Reply::json(&Value::Array(posts.iter().map(document).collect())));
    }
    if posts.is_empty() {
        return Ok(Reply::text("Every post has arrived"));
    }
    let mut lines: Vec<String> = posts.iter().map(|post| line(post, now)).collect();
    let shown = i64::try_from(posts.len()).unwrap_or(i64::MAX);
    if count > shown {
        lines.push(format!("… and {} more", count - shown));
    }
    let here = desk.program(caller, board.slug());
    let notes =
        format!("To try again now: `{here} outbox retry [NUMBER]`; to give one up: `{here} outbox purge NUMBER`");
    Ok(Reply { notes, is_fixed: true, ..Reply::text(lines.join("\n")) })
}

fn line(post: &Undelivered, now: i64) -> String {
    let about = match (&post.task_id, &post.event) {
        (Some(task), Some(event)) => format!("{event} {task}"),
        (Some(task), None) => task.clone(),
        (None, _) => "answer".to_owned(),
    };
    let state = match (&post.parked_reason, post.state.as_str(), &post.error) {
        (Some(reason), "queued", _) => format!("thread parked: {reason}"),
        (_, "dead", Some(error)) => format!("refused: {error}"),
        (_, "dead", None) => "refused".to_owned(),
        (_, _, Some(error)) => {
            format!("attempt {} failed: {error}; again in {}", post.attempts, span(post.next_at - now))
        }
        (_, _, None) => "waits".to_owned(),
    };
    format!("{}  {}  {about}  {} old  {state}", post.id, post.thread(), span(now - post.created_at))
}

fn document(post: &Undelivered) -> Value {
    json!({
        "number": post.id,
        "thread": post.thread().to_string(),
        "task": post.task_id,
        "event": post.event,
        "state": if post.parked_at.is_some() && post.state == "queued" { "parked" } else { &post.state },
        "attempts": post.attempts,
        "error": post.error,
        "parked_reason": post.parked_reason,
        "created_at": post.created_at / 1000,
        "next_at": post.next_at / 1000,
    })
}
