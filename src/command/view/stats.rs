//! `stats`: how many tasks there are of each status, and whose they are.

use std::collections::BTreeMap;

use serde_json::json;

use super::View;
use crate::{
    board::{Error, ProfileName, Tx, claim::seconds, task::Status},
    command::{reply::Reply, verbs},
};

pub async fn stats(tx: &mut Tx, args: &verbs::Stats, view: &View<'_>) -> Result<Reply, Error> {
    let counts = tx.counts().await?;
    let mut by_status: BTreeMap<&str, i64> = BTreeMap::new();
    let mut by_assignee: BTreeMap<&ProfileName, BTreeMap<&str, i64>> = BTreeMap::new();
    for count in &counts {
        *by_status.entry(count.status.as_str()).or_default() += count.tasks;
        if let Some(assignee) = &count.assignee {
            *by_assignee.entry(assignee).or_default().entry(count.status.as_str()).or_default() += count.tasks;
        }
    }
    let age = tx.oldest_ready().await?.map(|oldest| seconds((view.now - oldest).max(0)));
    if args.json {
        return Ok(Reply::json(&json!({
            "by_status": by_status,
            "by_assignee": by_assignee,
            "oldest_ready_age_seconds": age,
            "now": seconds(view.now),
        })));
    }
    let mut lines = vec!["By status:".to_owned()];
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Archived) {
        lines.push(format!("  {status:<8}  {}", by_status.get(status.as_str()).copied().unwrap_or(0)));
    }
    if !by_assignee.is_empty() {
        lines.push("\nBy assignee:".to_owned());
        lines.extend(by_assignee.iter().map(|(name, counts)| format!("  {:<20}  {}", name.as_str(), summary(counts))));
    }
    if let Some(age) = age {
        lines.push(format!("\nOldest ready task age: {age}s"));
    }
    Ok(Reply::text(lines.join("\n")))
}

/// `done=1, ready=2`.
pub(super) fn summary(counts: &BTreeMap<&str, i64>) -> String {
    counts.iter().map(|(status, tasks)| format!("{status}={tasks}")).collect::<Vec<_>>().join(", ")
}
