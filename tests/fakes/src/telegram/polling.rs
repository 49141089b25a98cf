//! `getUpdates`: a long poll that hands out what waits and forgets what its offset confirms.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::watch, time::Instant};

use super::{account::Account, parameters::Parameters, refusal::Refusal};

const SECOND_POLLER: &str = "terminated by other getUpdates request; make sure that only one bot instance is running";
const HOOKED: &str =
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

/// The longest that the server holds a poll.
const LONGEST: i64 = 50;

/// A poll that is on its way.
struct Poll<'a>(&'a Account);

impl Account {
    /// Answers the updates as JSON text.
    pub(crate) async fn get_updates(self: &Arc<Self>, parameters: &Parameters) -> Result<String, Refusal> {
        if self.state().webhook.is_some() {
            return Err(Refusal::conflict(HOOKED));
        }
        // The newer poll wins, and the older one learns of it.
        self.conflict(SECOND_POLLER);
        let mut conflicts = self.conflicts.subscribe();
        let mut arrivals = self.arrivals.subscribe();
        let _poll = Poll::begin(self);
        let limit = usize::try_from(parameters.integer("limit").unwrap_or(100).max(1)).unwrap_or(100);
        let seconds = parameters.integer("timeout").unwrap_or(0).clamp(0, LONGEST);
        let deadline = Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        self.begin_poll(parameters).await;
        loop {
            arrivals.mark_unchanged();
            if self.is_silent() {
                pending::<()>().await;
            }
            let taken = self.state().queue.take(limit);
            if !taken.is_empty() || Instant::now() >= deadline {
                let bodies: Vec<&str> = taken.iter().map(|update| &*update.body).collect();
                return Ok(format!("[{}]", bodies.join(",")));
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                changed = arrivals.changed() => gone(changed).await,
                changed = conflicts.changed() => {
                    gone(changed).await;
                    let (_, reason) = *conflicts.borrow();
                    return Err(Refusal::conflict(reason));
                }
            }
        }
    }

    /// Confirms what the offset says, and keeps the kinds of updates that are asked for from now on.
    async fn begin_poll(&self, parameters: &Parameters) {
        if self.is_silent() {
            pending::<()>().await;
        }
        let mut state = self.state();
        if let Some(kinds) = parameters.list("allowed_updates") {
            state.queue.allow(kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        }
        if let Some(offset) = parameters.integer("offset") {
            state.queue.confirm(offset);
        }
        drop(state);
        self.wire.changed();
    }
}

impl<'a> Poll<'a> {
    fn begin(account: &'a Account) -> Self {
        account.pollers.fetch_add(1, Ordering::AcqRel);
        Self(account)
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        self.0.pollers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The account outlives its polls, so that nobody ever waits here.
async fn gone(changed: Result<(), watch::error::RecvError>) {
    if changed.is_err() {
        pending::<()>().await;
    }
}
