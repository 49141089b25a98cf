//! `watches`: which threads follow a task, or what a thread follows.

use serde_json::Value;

use super::{View, document, text::one_line};
use crate::{
    board::{
        Error, Tx,
        thread::{Watch, Why},
    },
    command::{reply::Reply, verbs},
};

pub async fn watches(tx: &mut Tx, args: &verbs::Watches, view: &View<'_>) -> Result<Reply, Error> {
    let (watches, nothing) = match (&args.task, view.thread) {
        (Some(id), _) => {
            let task = tx.task(id).await?;
            (tx.watches_of_task(&task).await?, format!("(nobody follows {id}; `{} watch {id}` does)", view.here))
        }
        (None, Some(thread)) => {
            (tx.watches_of_thread(thread).await?, "(this thread follows nothing on this board)".to_owned())
        }
        (None, None) => (tx.watches().await?, "(no thread follows anything on this board)".to_owned()),
    };
    if args.json {
        return Ok(Reply::json(&Value::Array(watches.iter().map(document::watch).collect())));
    }
    if watches.is_empty() {
        return Ok(Reply::text(nothing));
    }
    Ok(Reply::text(watches.iter().map(|watch| line(watch, view)).collect::<Vec<_>>().join("\n")))
}

fn line(watch: &Watch, view: &View<'_>) -> String {
    let mut line = format!("{}  {}", one_line(&watch.thread().to_string()), followed(watch));
    match &watch.kinds {
        Some(kinds) => line.push_str(&format!("  only {}", one_line(kinds))),
        None => line.push_str(&format!("  {}", watch.policy().as_str())),
    }
    line.push_str(&format!("  since {}", view.moment(watch.created_at)));
    match (watch.why(), &watch.user_id) {
        (Why::Asked, Some(user)) => line.push_str(&format!("  asked for by {}", one_line(user))),
        (Why::Asked, None) => {}
        (Why::Created, _) => line.push_str("  created here"),
        (Why::Own, _) => line.push_str("  its own thread"),
        (Why::Parent(task), _) => line.push_str(&format!("  made by {}", one_line(&task))),
    }
    if let Some(reason) = &watch.parked_reason {
        line.push_str(&format!("  (cannot be reached: {})", one_line(reason)));
    }
    line
}

fn followed(watch: &Watch) -> String {
    if let Some(task) = &watch.task_id {
        return task.to_string();
    }
    let mut what = "every task".to_owned();
    if let Some(assignee) = &watch.assignee {
        what.push_str(&format!(" of {assignee}"));
    }
    if let Some(tenant) = &watch.tenant {
        what.push_str(&format!(" of tenant {}", one_line(tenant)));
    }
    what
}
