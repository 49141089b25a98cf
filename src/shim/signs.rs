//! Signs of life of a worker: output, and calls to the board.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When a worker has last shown that it is at work. Clones share what they know.
#[derive(Clone)]
pub(super) struct Signs {
    start: Instant,
    /// Milliseconds after the start.
    last: Arc<AtomicU64>,
}

impl Signs {
    /// For a worker that starts now, which is its first sign.
    pub(super) fn begin() -> Self {
        Self { start: Instant::now(), last: Arc::default() }
    }

    pub(super) fn seen(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    /// The time since the last sign.
    pub(super) fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}
