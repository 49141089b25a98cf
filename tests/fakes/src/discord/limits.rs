//! Rate limits of the HTTP API (Rate Limits): one bucket for each route and resource, and one for all.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::route::Route;

/// How many invalid calls (401, 403, 429) within [`INVALID_WINDOW`] lead to a ban of the address.
pub(super) const MOST_INVALID: usize = 10_000;
const INVALID_WINDOW: Duration = Duration::from_mins(10);

/// How fast the server lets itself be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So many calls of a route for one channel, guild or webhook within so long.
    pub calls: u32,
    pub window: Duration,
    /// So many calls a second in all, answers to interactions not counted.
    pub global: u32,
    /// So long between two IDENTIFYs; one that comes earlier meets an invalid session.
    pub identify: Duration,
}

impl Pace {
    /// What is known of the real one: five posts in five seconds to a channel, fifty calls a second, an IDENTIFY every
    /// five seconds.
    pub fn published() -> Self {
        Self { calls: 5, window: Duration::from_secs(5), global: 50, identify: Duration::from_secs(5) }
    }

    /// So wide that no test waits, and still there to be read from the headers.
    pub fn wide() -> Self {
        Self { calls: 1000, window: Duration::from_secs(1), global: 20_000, identify: Duration::ZERO }
    }
}

#[derive(Debug)]
pub(super) struct Limits {
    pace: Pace,
    windows: HashMap<String, Window>,
    global: Window,
    /// Buckets that a 429 on demand has closed.
    closed: HashMap<String, Instant>,
    invalid: VecDeque<Instant>,
    identified: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    used: u32,
}

/// What the headers of an answer say of its bucket.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    pub(super) bucket: String,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset_after: Duration,
}

/// A call that came too soon.
#[derive(Clone, Debug)]
pub(super) struct TooMany {
    pub(super) wait: Duration,
    pub(super) scope: Scope,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    User,
    Global,
    /// Others use the same resource: it does not count towards a ban.
    Shared,
}

impl Limits {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            windows: HashMap::new(),
            global: Window { since: Instant::now(), used: 0 },
            closed: HashMap::new(),
            invalid: VecDeque::new(),
            identified: None,
        }
    }

    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Counts one call, or says how long it has to wait.
    pub(super) fn take(&mut self, route: &Route, bucket: &str) -> (Allowance, Option<TooMany>) {
        let now = Instant::now();
        let mut allowance = Allowance {
            bucket: bucket.to_owned(),
            limit: self.pace.calls,
            remaining: 0,
            reset_after: self.pace.window,
        };
        if let Some(until) = self.closed.get(bucket).copied() {
            if now < until {
                allowance.reset_after = until - now;
                return (allowance, Some(TooMany { wait: until - now, scope: Scope::Shared }));
            }
            self.closed.remove(bucket);
        }
        if !route.is_of_interaction()
            && let Err(wait) = self.global.count(now, self.pace.global, Duration::from_secs(1))
        {
            return (allowance, Some(TooMany { wait, scope: Scope::Global }));
        }
        let window = self.windows.entry(bucket.to_owned()).or_insert(Window { since: now, used: 0 });
        match window.count(now, self.pace.calls, self.pace.window) {
            Ok(remaining) => {
                allowance.remaining = remaining;
                allowance.reset_after = (window.since + self.pace.window).saturating_duration_since(now);
                (allowance, None)
            }
            Err(wait) => {
                allowance.reset_after = wait;
                (allowance, Some(TooMany { wait, scope: Scope::User }))
            }
        }
    }

    /// Closes a bucket for so long.
    pub(super) fn close(&mut self, bucket: &str, wait: Duration) {
        self.closed.insert(bucket.to_owned(), Instant::now() + wait);
    }

    /// Counts a call that was answered with 401, 403 or 429.
    pub(super) fn count_invalid(&mut self) {
        self.invalid.push_back(Instant::now());
    }

    /// The invalid calls that count now.
    pub(super) fn invalid(&mut self) -> usize {
        while self.invalid.front().is_some_and(|at| at.elapsed() > INVALID_WINDOW) {
            self.invalid.pop_front();
        }
        self.invalid.len()
    }

    /// Whether an IDENTIFY may come now.
    pub(super) fn may_identify(&mut self) -> bool {
        let is_early = self.identified.is_some_and(|at| at.elapsed() < self.pace.identify);
        if !is_early {
            self.identified = Some(Instant::now());
        }
        !is_early
    }
}

impl Window {
    /// Counts one more, or says when the next window begins.
    fn count(&mut self, now: Instant, most: u32, length: Duration) -> Result<u32, Duration> {
        if now.duration_since(self.since) >= length {
            *self = Self { since: now, used: 0 };
        }
        if self.used >= most {
            return Err((self.since + length).saturating_duration_since(now));
        }
        self.used += 1;
        Ok(most - self.used)
    }
}

impl TooMany {
    pub(super) fn body(&self) -> Value {
        let is_global = self.scope == Scope::Global;
        let message = if self.scope == Scope::Shared {
            "The resource is being rate limited."
        } else {
            "You are being rate limited."
        };
        json!({ "message": message, "retry_after": self.wait.as_secs_f64(), "global": is_global, "code": 0 })
    }
}

impl Scope {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Global => "global",
            Self::Shared => "shared",
        }
    }
}

/// The name that the headers give to a bucket: the same for a route, whatever it is about.
pub(super) fn bucket_name(route: &str) -> String {
    let mut hasher = DefaultHasher::new();
    route.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
