//! One call at a time in each bucket, the most urgent first.
//!
//! How many calls a bucket still takes stands in the answer to a call. Whoever sends a second one before that answer is
//! there may send it into a bucket that is closed, which counts against the bot.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kanban_platform::Urgency;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Where the platform said nothing, a call is worth another try after this time.
const SOON: Duration = Duration::from_millis(500);

/// The lanes of all buckets. One that nobody is in is forgotten.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<String, Lane>>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Lane {
    is_taken: bool,
    next: u64,
    waiting: Vec<(Urgency, u64)>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl Lanes {
    /// Waits until the lane is free and nobody goes first; after `patience` answers when to come back.
    pub(crate) async fn enter(
        &self,
        bucket: &str,
        urgency: Urgency,
        patience: Duration,
    ) -> Result<Entered<'_>, Duration> {
        let deadline = Instant::now() + patience;
        let mut changes = self.changes.subscribe();
        let mut place =
            Entered { lanes: self, bucket: bucket.to_owned(), ticket: self.queue(bucket, urgency), has_lane: false };
        loop {
            changes.mark_unchanged();
            if place.advance() {
                return Ok(place);
            }
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(SOON),
            }
        }
    }

    fn queue(&self, bucket: &str, urgency: Urgency) -> (Urgency, u64) {
        let mut lanes = self.lanes();
        let lane = lanes.entry(bucket.to_owned()).or_default();
        let ticket = (urgency, lane.next);
        lane.next += 1;
        lane.waiting.push(ticket);
        ticket
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<String, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a lane, or before it; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    lanes: &'a Lanes,
    bucket: String,
    ticket: (Urgency, u64),
    has_lane: bool,
}

impl Entered<'_> {
    fn advance(&mut self) -> bool {
        let mut lanes = self.lanes.lanes();
        let Some(lane) = lanes.get_mut(&self.bucket) else { return false };
        if lane.is_taken || lane.waiting.iter().any(|other| *other < self.ticket) {
            return false;
        }
        lane.waiting.retain(|other| *other != self.ticket);
        (lane.is_taken, self.has_lane) = (true, true);
        true
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lanes();
        if let Some(lane) = lanes.get_mut(&self.bucket) {
            if self.has_lane {
                lane.is_taken = false;
            }
            lane.waiting.retain(|other| *other != self.ticket);
            if !lane.is_taken && lane.waiting.is_empty() {
                lanes.remove(&self.bucket);
            }
        }
        drop(lanes);
        self.lanes.changes.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use kanban_platform::Urgency;

    use super::Lanes;

    #[tokio::test]
    async fn the_most_urgent_goes_first_and_alone() {
        let lanes = Arc::new(Lanes::default());
        let first = lanes.enter("a", Urgency::Card, Duration::ZERO).await.unwrap();
        assert!(lanes.enter("a", Urgency::Reply, Duration::ZERO).await.is_err());
        lanes.enter("b", Urgency::Card, Duration::ZERO).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for urgency in [Urgency::Card, Urgency::News, Urgency::Reply] {
            let (lanes, order) = (Arc::clone(&lanes), Arc::clone(&order));
            waiting.spawn(async move {
                let _lane = lanes.enter("a", urgency, Duration::from_secs(60)).await.unwrap();
                order.lock().unwrap().push(urgency);
            });
            tokio::task::yield_now().await;
        }
        drop(first);
        waiting.join_all().await;
        assert_eq!(*order.lock().unwrap(), [Urgency::Reply, Urgency::News, Urgency::Card]);
        assert!(lanes.lanes().is_empty());
    }
}
