//! The names of people, which Slack tells with commands and presses and not with messages.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use kanban_platform::Urgency;
use tokio::time::{Instant, timeout};

use crate::web::{Method, Web};

/// How many names are remembered.
const MOST: usize = 10_000;

/// After what time somebody is asked after again whose name Slack did not tell.
const RETRY: Duration = Duration::from_secs(10 * 60);

/// The names that are known.
pub(crate) struct Names {
    web: Arc<Web>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    names: HashMap<String, String>,
    /// Who was asked after in vain, and when.
    unknown: HashMap<String, Instant>,
}

impl Names {
    pub(crate) fn new(web: Arc<Web>) -> Self {
        Self { web, known: Mutex::default() }
    }

    /// Remembers a name.
    pub(crate) fn learn(&self, user: &str, name: &str) {
        if user.is_empty() || name.is_empty() || name == user {
            return;
        }
        let mut known = self.known();
        if known.names.len() >= MOST {
            known.names.clear();
        }
        known.names.insert(user.to_owned(), name.to_owned());
    }

    pub(crate) fn of(&self, user: &str) -> Option<String> {
        self.known().names.get(user).cloned()
    }

    /// Asks after those whose names are not known, all at once and for no longer than `patience`.
    pub(crate) async fn look_up(&self, users: impl IntoIterator<Item = &str>, patience: Duration) {
        let wanted: HashSet<&str> = {
            let mut known = self.known();
            known.unknown.retain(|_, at| at.elapsed() < RETRY);
            let is_new = |user: &&str| !known.names.contains_key(*user) && !known.unknown.contains_key(*user);
            let wanted: HashSet<&str> = users.into_iter().filter(is_new).collect();
            // Before the answer: one that does not come must not be waited for again.
            known.unknown.extend(wanted.iter().map(|user| ((*user).to_owned(), Instant::now())));
            wanted
        };
        drop(timeout(patience, join_all(wanted.into_iter().map(|user| self.ask(user)))).await);
    }

    async fn ask(&self, user: &str) {
        let method = Method { name: "users.info", channel: None, urgency: Urgency::Reply };
        match self.web.get(method, &[("user", user.to_owned())]).await {
            Ok(answer) => {
                let user_info = &answer["user"];
                let names = [&user_info["profile"]["display_name"], &user_info["real_name"], &user_info["name"]];
                let name = names.into_iter().filter_map(|name| name.as_str()).find(|name| !name.is_empty());
                self.learn(user, name.unwrap_or_default());
                self.known().unknown.remove(user);
            }
            Err(failure) => tracing::debug!(reason = failure.reason(), "somebody's name is not known"),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
