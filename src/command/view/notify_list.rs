//! `notify-list`: who follows which task, in the reference's form.

use serde_json::{Value, json};

use super::{View, text::one_line};
use crate::{
    board::{Error, Tx, claim::seconds, thread::Watch},
    command::{reply::Reply, verbs},
};

pub async fn notify_list(tx: &mut Tx, args: &verbs::NotifyList, view: &View<'_>) -> Result<Reply, Error> {
    let mut watches = match &args.task {
        Some(id) => {
            let task = tx.task(id).await?;
            tx.watches_of_task(&task).await?
        }
        None => tx.watches().await?,
    };
    // The reference knows no watches of a whole board; `watches` shows those.
    watches.retain(|watch| watch.task_id.is_some());
    if args.json {
        return Ok(Reply::json(&Value::Array(watches.iter().map(document).collect())));
    }
    if watches.is_empty() {
        return Ok(Reply::text(format!("(no subscriptions; `{} watches` shows board watches too)", view.here)));
    }
    Ok(Reply::text(watches.iter().map(line).collect::<Vec<_>>().join("\n")))
}

fn document(watch: &Watch) -> Value {
    let thread = watch.thread();
    json!({
        "task_id": watch.task_id,
        "platform": thread.platform,
        "chat_id": thread.channel,
        "thread_id": thread.thread.unwrap_or_default(),
        "user_id": watch.user_id,
        "notifier_profile": null,
        "created_at": seconds(watch.created_at),
        "last_event_id": watch.since_event,
        "space": thread.space,
        "kinds": watch.kinds.as_deref().map(|kinds| kinds.split(',').collect::<Vec<_>>()),
    })
}

fn line(watch: &Watch) -> String {
    let task = watch.task_id.as_ref().map_or_else(String::new, ToString::to_string);
    let mut line = format!("  {task}  {}  (since event {})", one_line(&watch.thread().to_string()), watch.since_event);
    if let Some(user) = &watch.user_id {
        line.push_str(&format!("  owner={}", one_line(user)));
    }
    line
}
