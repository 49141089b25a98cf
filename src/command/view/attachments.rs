//! `attachments`: the files of a task.

use serde_json::Value;

use super::{View, document, text::one_line};
use crate::{
    board::{Error, Tx, attachment::Attachment},
    command::{reply::Reply, verbs},
};

pub async fn attachments(tx: &mut Tx, args: &verbs::Attachments, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let attachments = tx.attachments(&task.id).await?;
    if args.json {
        return Ok(Reply::json(&Value::Array(attachments.iter().map(document::attachment).collect())));
    }
    if attachments.is_empty() {
        let hint =
            if view.in_chat { String::new() } else { format!("; `{} attach {} FILE` adds one", view.here, task.id) };
        return Ok(Reply::text(format!("(no attachments on {}{hint})", task.id)).about(&task.id));
    }
    let rows: Vec<_> = attachments.iter().map(row).collect();
    Ok(Reply::text(format!("Attachments on {}:\n{}", task.id, rows.join("\n"))).about(&task.id))
}

/// Two lines: what it is, and where it lies.
pub(super) fn row(attachment: &Attachment) -> String {
    let of_run = attachment.run_id.map_or(String::new(), |run| format!(", artifact of run {run}"));
    format!(
        "  [{}] {}  ({} bytes, {}, by {}{of_run})\n        {}",
        attachment.id,
        one_line(&attachment.filename),
        attachment.size,
        one_line(attachment.content_type.as_deref().unwrap_or("unknown type")),
        one_line(&attachment.uploaded_by),
        one_line(&attachment.stored_path)
    )
}
