//! `assignees`: the profiles, and what each has to do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{View, stats::summary};
use crate::{
    board::{Error, ProfileName, Tx},
    command::{reply::Reply, verbs},
};

/// `on_disk` is the reference's word for a profile that can be started: one that the settings declare.
pub async fn assignees(tx: &mut Tx, args: &verbs::Assignees, view: &View<'_>) -> Result<Reply, Error> {
    let counts = tx.counts().await?;
    let profiles = &view.settings.profiles;
    let mut assignees: BTreeMap<&ProfileName, BTreeMap<&str, i64>> =
        profiles.iter().map(|profile| (&profile.name, BTreeMap::new())).collect();
    for count in &counts {
        if let Some(name) = &count.assignee {
            *assignees.entry(name).or_default().entry(count.status.as_str()).or_default() += count.tasks;
        }
    }
    let is_configured = |name: &ProfileName| profiles.get(name).is_some();
    if args.json {
        let rows = assignees
            .iter()
            .map(|(name, counts)| json!({"name": name, "on_disk": is_configured(name), "counts": counts}));
        return Ok(Reply::json(&Value::Array(rows.collect())));
    }
    if assignees.is_empty() {
        return Ok(Reply::text("(no profiles and no assigned tasks)"));
    }
    let mut lines = vec!["NAME                  ON DISK   COUNTS".to_owned()];
    for (name, counts) in &assignees {
        let on_disk = if is_configured(name) { "yes" } else { "no" };
        let counts = if counts.is_empty() { "(idle)".to_owned() } else { summary(counts) };
        lines.push(format!("{:<20}  {on_disk:<8}  {counts}", name.as_str()));
    }
    Ok(Reply::text(lines.join("\n")))
}
