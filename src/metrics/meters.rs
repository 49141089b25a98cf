//! What is counted while a gateway runs. A new gateway begins at nothing, which those who collect such numbers expect.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The upper bounds of the buckets that times are counted in, in milliseconds.
pub(super) const BOUNDS: [u64; 11] = [10, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 600_000, 3_600_000];

/// The counters of one gateway.
#[derive(Debug, Default)]
pub struct Meters(Mutex<Counted>);

#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// From when a task could start to when its worker had.
    pub(super) starts: Times,
    pub(super) platforms: BTreeMap<String, Deliveries>,
}

/// What was delivered to one platform.
#[derive(Clone, Debug, Default)]
pub(super) struct Deliveries {
    /// From when a post was owed to when it had arrived.
    pub(super) lag: Times,
    /// Attempts that failed, and were or will be made again.
    pub(super) retries: u64,
    /// Posts that the platform refused for good.
    pub(super) refused: u64,
}

/// How often times fell into each bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// In each bucket alone; those above the last bound are in none.
    pub(super) buckets: [u64; BOUNDS.len()],
    pub(super) count: u64,
    pub(super) sum: Duration,
}

impl Times {
    fn add(&mut self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS.iter().position(|bound| millis <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// The bound below which half of them are, or nothing where there are none or it is above all bounds.
    pub(super) fn half_within(&self) -> Option<u64> {
        let mut seen = 0;
        BOUNDS.iter().zip(self.buckets).find_map(|(bound, count)| {
            seen += count;
            (self.count > 0 && seen * 2 >= self.count).then_some(*bound)
        })
    }
}

impl Meters {
    /// A worker was started, so long after it could have been.
    pub fn started(&self, after: Duration) {
        self.lock().starts.add(after);
    }

    /// A post arrived, so long after it was owed.
    pub fn delivered(&self, platform: &str, after: Duration) {
        self.of(platform, |deliveries| deliveries.lag.add(after));
    }

    /// An attempt to deliver failed and is to be made again.
    pub fn retried(&self, platform: &str) {
        self.of(platform, |deliveries| deliveries.retries += 1);
    }

    /// A platform refused a post for good.
    pub fn refused(&self, platform: &str) {
        self.of(platform, |deliveries| deliveries.refused += 1);
    }

    pub(super) fn now(&self) -> Counted {
        self.lock().clone()
    }

    fn of(&self, platform: &str, change: impl FnOnce(&mut Deliveries)) {
        let mut counted = self.lock();
        match counted.platforms.get_mut(platform) {
            Some(deliveries) => change(deliveries),
            None => change(counted.platforms.entry(platform.to_owned()).or_default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS, Meters};
    use std::time::Duration;

    #[test]
    fn times_fall_into_the_first_bucket_that_holds_them() {
        let meters = Meters::default();
        for millis in [0, 10, 11, 1_000, 9_999_999] {
            meters.started(Duration::from_millis(millis));
        }
        let starts = meters.now().starts;
        assert_eq!((starts.count, starts.sum), (5, Duration::from_millis(10_001_020)));
        assert_eq!((starts.buckets[0], starts.buckets[1], starts.buckets[5]), (2, 1, 1));
        assert_eq!(starts.buckets.iter().sum::<u64>(), 4);
        assert_eq!(starts.half_within(), Some(BOUNDS[1]));
    }
}
