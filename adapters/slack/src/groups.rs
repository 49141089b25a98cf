//! The user groups that people are in, as far as Slack tells us. Nobody waits for it: what is known is looked up, and
//! brought up to date beside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kanban_platform::Urgency;
use serde_json::Value;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::{
    failure::Failure,
    web::{Method, Web},
};

/// How often the list is asked for, whatever Slack tells of changes.
const REFRESH: Duration = Duration::from_secs(5 * 60);

/// How soon it is asked for again where that came to nothing.
const RETRY: Duration = Duration::from_secs(30);

/// How long a list is believed that could not be brought up to date: somebody may have been taken out of a group.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);

/// How long the start may take for it: without the groups the first requests would be refused.
const START: Duration = Duration::from_secs(3);

/// What is known of the groups of one workspace.
pub(crate) struct Groups {
    web: Arc<Web>,
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// The ids of people, by the id of the group.
    members: BTreeMap<String, BTreeSet<String>>,
    at: Option<Instant>,
    /// That there will be none was said.
    is_refused: bool,
}

/// What Slack tells of a change of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    #[serde(rename = "subteam_id")]
    pub(crate) group: String,
    #[serde(rename = "added_users")]
    pub(crate) added: Vec<String>,
    #[serde(rename = "removed_users")]
    pub(crate) removed: Vec<String>,
}

impl Groups {
    pub(crate) fn new(web: Arc<Web>) -> Self {
        Self { web, known: Mutex::default(), changed: Notify::new() }
    }

    /// The groups of a person of this workspace, as [`kanban_platform::Author::groups`] names them.
    pub(crate) fn of(&self, user: &str) -> Vec<String> {
        let known = self.known();
        if known.at.is_none_or(|at| at.elapsed() > GOOD_FOR) {
            return Vec::new();
        }
        let groups = known.members.iter().filter(|(_, members)| members.contains(user));
        groups.map(|(group, _)| format!("group/{group}")).collect()
    }

    /// Takes over what Slack tells, and looks at the whole list soon: what it tells may be cut off.
    pub(crate) fn change(&self, change: Change) {
        let mut known = self.known();
        if !change.group.is_empty() && known.at.is_some() {
            let members = known.members.entry(change.group).or_default();
            members.extend(change.added);
            members.retain(|member| !change.removed.contains(member));
        }
        drop(known);
        self.changed.notify_one();
    }

    /// Asks for the list, for a short while.
    pub(crate) async fn start(&self) {
        if timeout(START, self.refresh()).await.is_err() {
            self.changed.notify_one();
        }
    }

    /// Keeps the list up to date, for as long as it is polled.
    pub(crate) async fn keep(&self) {
        let mut wait = REFRESH;
        loop {
            // Whether a change was told or the time has come, the list is asked for.
            drop(timeout(wait, self.changed.notified()).await);
            wait = if self.refresh().await { REFRESH } else { RETRY };
        }
    }

    /// Asks for the list once, and answers whether Slack said something about it.
    async fn refresh(&self) -> bool {
        let method = Method { name: "usergroups.list", channel: None, urgency: Urgency::Card };
        let answer = self.web.get(method, &[("include_users", "true".to_owned())]).await;
        let mut known = self.known();
        match answer {
            Ok(answer) => {
                known.members = members(&answer);
                known.at = Some(Instant::now());
                known.is_refused = false;
                true
            }
            // Without the scope or the plan there are no groups, and nothing else is the worse for it.
            Err(failure @ Failure::No(_)) => {
                (known.members, known.at) = (BTreeMap::new(), None);
                if !std::mem::replace(&mut known.is_refused, true) {
                    tracing::info!(reason = failure.reason(), "nobody is known by their user groups");
                }
                true
            }
            Err(failure) => {
                tracing::debug!(reason = failure.reason(), "the user groups could not be listed");
                false
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn members(answer: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let groups = answer["usergroups"].as_array().into_iter().flatten();
    groups
        // A group that was disabled has the time of it.
        .filter(|group| group["date_delete"].as_i64().unwrap_or(0) == 0)
        .filter_map(|group| {
            let users = group["users"].as_array().into_iter().flatten();
            Some((group["id"].as_str()?.to_owned(), users.filter_map(Value::as_str).map(str::to_owned).collect()))
        })
        .collect()
}
