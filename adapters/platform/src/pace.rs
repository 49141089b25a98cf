//! Turns at a platform's limits: each bucket lets so many calls through in a time, the most urgent first.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::message::Urgency;

/// So many calls in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub calls: u32,
    pub per: Duration,
}

/// A bucket that a call goes through, and its rate as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The route and the chat, or the whole platform.
    pub bucket: String,
    /// None where the platform alone says when it is enough.
    pub rate: Option<Rate>,
}

/// The buckets of one platform.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    buckets: HashMap<String, Bucket>,
    waiting: Vec<Waiting>,
    next: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    /// When the calls began that still count.
    calls: Vec<Instant>,
    closed_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    place: (Urgency, u64),
    buckets: Vec<String>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Pace {
    /// Waits for a turn in all of these buckets at once. After `patience` it gives up and answers how long it is until
    /// a turn may come.
    pub async fn turn(&self, limits: &[Limit], urgency: Urgency, patience: Duration) -> Result<(), Duration> {
        let deadline = Instant::now() + patience;
        let ticket = Ticket::take(self, limits, urgency);
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let ready = ticket.try_turn(limits);
            let now = Instant::now();
            match ready {
                Ok(()) => return Ok(()),
                Err(at) if now >= deadline => {
                    return Err(at.map_or(Duration::from_millis(100), |at| at.saturating_duration_since(now)));
                }
                Err(at) => {
                    let wake = at.map_or(deadline, |at| at.min(deadline));
                    tokio::select! {
                        () = tokio::time::sleep_until(wake) => {}
                        changed = changes.changed() => if changed.is_err() { return Err(patience) },
                    }
                }
            }
        }
    }

    /// Closes a bucket for so long, as the platform said.
    pub fn close(&self, bucket: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state();
        let bucket = state.buckets.entry(bucket.to_owned()).or_default();
        bucket.closed_until = bucket.closed_until.max(Some(until));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, which is left when nobody waits any more.
struct Ticket<'a> {
    pace: &'a Pace,
    place: (Urgency, u64),
}

impl<'a> Ticket<'a> {
    fn take(pace: &'a Pace, limits: &[Limit], urgency: Urgency) -> Self {
        let mut state = pace.state();
        let place = (urgency, state.next);
        state.next += 1;
        state.waiting.push(Waiting { place, buckets: limits.iter().map(|limit| limit.bucket.clone()).collect() });
        Self { pace, place }
    }

    /// Takes the turn if every bucket has one and nobody goes first; else says when to look again, where that is known.
    fn try_turn(&self, limits: &[Limit]) -> Result<(), Option<Instant>> {
        let now = Instant::now();
        let mut state = self.pace.state();
        let mut ready_at: Option<Instant> = None;
        for limit in limits {
            let bucket = state.buckets.entry(limit.bucket.clone()).or_default();
            ready_at = ready_at.max(bucket.ready_at(limit.rate, now));
        }
        if ready_at.is_some_and(|at| at > now) {
            return Err(ready_at);
        }
        // Somebody who goes first may wait for another bucket of theirs; then this one is not kept empty for them.
        let goes_first = state.waiting.iter().any(|other| {
            other.place < self.place
                && other.buckets.iter().any(|bucket| limits.iter().any(|limit| limit.bucket == *bucket))
                && other.buckets.iter().all(|bucket| {
                    state.buckets.get(bucket).is_none_or(|bucket| bucket.closed_until.is_none_or(|until| until <= now))
                })
        });
        if goes_first {
            return Err(Some(now + Duration::from_millis(20)));
        }
        for limit in limits {
            if let (Some(_), Some(bucket)) = (limit.rate, state.buckets.get_mut(&limit.bucket)) {
                bucket.calls.push(now);
            }
        }
        Ok(())
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.pace.state().waiting.retain(|waiting| waiting.place != self.place);
        self.pace.changes.send_modify(|count| *count += 1);
    }
}

impl Bucket {
    /// When the next call may go out, if not now.
    fn ready_at(&mut self, rate: Option<Rate>, now: Instant) -> Option<Instant> {
        self.closed_until = self.closed_until.filter(|until| *until > now);
        let free_at = rate.and_then(|rate| {
            self.calls.retain(|call| *call + rate.per > now);
            let calls = usize::try_from(rate.calls).unwrap_or(usize::MAX).max(1);
            // The oldest of the last `calls` calls must have left the window.
            self.calls.len().checked_sub(calls).and_then(|first| self.calls.get(first)).map(|call| *call + rate.per)
        });
        self.closed_until.max(free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, Pace, Rate};
    use crate::message::Urgency;
    use std::{sync::Arc, time::Duration};
    use tokio::time::Instant;

    fn limit(bucket: &str, calls: u32) -> Limit {
        Limit { bucket: bucket.to_owned(), rate: Some(Rate { calls, per: Duration::from_secs(1) }) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_lets_no_more_through_than_its_rate() {
        let pace = Pace::default();
        let began = Instant::now();
        for _ in 0..7 {
            pace.turn(&[limit("a", 2)], Urgency::News, Duration::from_secs(60)).await.unwrap();
        }
        assert_eq!(began.elapsed().as_secs(), 3);
        pace.turn(&[limit("b", 2)], Urgency::News, Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_bucket_says_for_how_long_and_holds_nobody_else_up() {
        let pace = Pace::default();
        pace.close("a", Duration::from_secs(90));
        let wait = pace.turn(&[limit("a", 5)], Urgency::Reply, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(wait.as_secs(), 85);
        pace.turn(&[limit("b", 5)], Urgency::Card, Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_most_urgent_goes_first() {
        let pace = Arc::new(Pace::default());
        pace.turn(&[limit("a", 1)], Urgency::News, Duration::ZERO).await.unwrap();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for urgency in [Urgency::Card, Urgency::News, Urgency::Reply, Urgency::Question] {
            let (pace, order) = (Arc::clone(&pace), Arc::clone(&order));
            waiting.spawn(async move {
                pace.turn(&[limit("a", 1)], urgency, Duration::from_secs(60)).await.unwrap();
                order.lock().unwrap().push(urgency);
            });
            tokio::task::yield_now().await;
        }
        waiting.join_all().await;
        let order = order.lock().unwrap().clone();
        assert_eq!(order, [Urgency::Reply, Urgency::Question, Urgency::News, Urgency::Card]);
    }
}
