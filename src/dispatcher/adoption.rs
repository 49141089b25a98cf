//! How the runs of an earlier gateway were taken up again: how many there were, and when the last of them was followed.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Key;

/// The runs that a gateway found at its start.
#[derive(Debug)]
pub struct Adoption {
    /// When the gateway took the lock of its home.
    since: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// None until it was looked for them.
    found: Option<usize>,
    waiting: HashSet<Key>,
    took: Option<Duration>,
}

/// What is known of the runs that a gateway found at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// None until it was looked for them.
    pub found: Option<usize>,
    /// Those whose shim has not answered yet.
    pub waiting: Option<usize>,
    /// From the lock of the home until the last one was followed; none while some wait, or where there were none.
    pub took: Option<Duration>,
}

impl Adoption {
    /// For a gateway that has the lock of its home now.
    pub fn begin() -> Self {
        Self { since: Instant::now(), state: Mutex::default() }
    }

    pub fn so_far(&self) -> Adopted {
        let state = self.state();
        Adopted { found: state.found, waiting: state.found.map(|_| state.waiting.len()), took: state.took }
    }

    pub(super) fn expect(&self, runs: impl IntoIterator<Item = Key>) {
        let mut state = self.state();
        state.waiting.extend(runs);
        state.found = Some(state.waiting.len());
    }

    /// A run is followed, or its end is known.
    pub(super) fn done(&self, run: &Key) {
        let mut state = self.state();
        if !state.waiting.remove(run) || !state.waiting.is_empty() {
            return;
        }
        let took = self.since.elapsed();
        state.took = Some(took);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let found = state.found.unwrap_or_default();
        tracing::info!(adopted = found, duration_ms, "{found} runs of an earlier gateway are followed");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
