//! The way of calls into a server: what goes wrong on it, and a record of all that came in.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A clear no that stays a no: the platform's own answer for a body that it does not take. Nothing is stored.
    Refuse,
    /// The channel does not exist any more, or the bot may not write there. Nothing is stored.
    Gone,
    /// 429 with so long a `Retry-After`. Nothing is stored. A call that comes too early counts as [`Call::is_early`].
    TooMany(Duration),
    /// A 5xx, and nothing is stored.
    ServerError,
    /// It is done, and then the answer is a 5xx.
    ServerErrorAfter,
    /// The connection breaks before anything is stored.
    Break,
    /// It is done, and then the connection breaks before the answer.
    LoseAnswer,
    /// It is done, and answered after this time.
    Delay(Duration),
    /// It is done, and not answered until [`Wire::release`].
    Hold,
}

/// One call that came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it came.
    pub at: Instant,
    /// The platform's own name for it: `POST /channels/{id}/messages`, `sendMessage`, `chat.postMessage`.
    pub route: String,
    /// The channel that it is about, where it is about one.
    pub channel: Option<String>,
    /// What it brought along, files left out.
    pub body: Value,
    /// What it was answered with; 0 where the connection was broken instead.
    pub status: u16,
    /// What it met on its way.
    pub trouble: Option<Trouble>,
    /// It came before the time that an earlier 429 for the same bucket named was over. A bucket is what the platform
    /// limits together: a route or method for one channel, or a method alone.
    pub is_early: bool,
}

impl Call {
    /// On one line, with the beginning of its body.
    pub fn in_short(&self) -> String {
        let body: String = self.body.to_string().chars().take(300).collect();
        let trouble = self.trouble.map(|trouble| format!(" {trouble:?}")).unwrap_or_default();
        format!("{} {}{trouble} {body}", self.status, self.route)
    }
}

/// Shares of posts that go wrong, in thousandths, drawn from a seed.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The same seed gives the same weather again.
    pub seed: u64,
    /// How many of a thousand meet [`Trouble::TooMany`].
    pub too_many: u32,
    /// How many of a thousand meet [`Trouble::ServerError`].
    pub server_error: u32,
    /// For how long a 429 asks.
    pub retry_after: Duration,
}

/// Faults and record of one server.
#[derive(Debug)]
pub struct Wire {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    releases: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    next: HashMap<String, VecDeque<Trouble>>,
    channels: HashMap<String, Trouble>,
    next_in: HashMap<String, VecDeque<Trouble>>,
    met: HashMap<String, usize>,
    weather: Option<Weather>,
    random: u64,
    closed: HashMap<String, Instant>,
    calls: Vec<Call>,
    wrong: Vec<String>,
}

impl Default for Wire {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::Sender::new(0), releases: watch::Sender::new(0) }
    }
}

impl Wire {
    /// Lets the next calls of a route, as [`Call::route`] names it, meet these troubles, one each. They come before those
    /// of channels and of the weather.
    pub fn trouble(&self, route: &str, troubles: impl IntoIterator<Item = Trouble>) {
        self.state().next.entry(route.to_owned()).or_default().extend(troubles);
    }

    /// Lets every post to a channel meet this trouble, until [`heal`](Self::heal).
    pub fn trouble_channel(&self, channel: &str, trouble: Trouble) {
        self.state().channels.insert(channel.to_owned(), trouble);
    }

    /// Lets the next posts to a channel meet these troubles, one each.
    pub fn trouble_next_in(&self, channel: &str, troubles: impl IntoIterator<Item = Trouble>) {
        self.state().next_in.entry(channel.to_owned()).or_default().extend(troubles);
    }

    /// How many troubles of [`trouble_next_in`](Self::trouble_next_in) were met by posts to a channel.
    pub fn met_in(&self, channel: &str) -> usize {
        self.state().met.get(channel).copied().unwrap_or(0)
    }

    /// Ends the trouble of [`trouble_channel`](Self::trouble_channel).
    pub fn heal(&self, channel: &str) {
        self.state().channels.remove(channel);
    }

    /// Lets a share of all posts go wrong, or none any more.
    pub fn weather(&self, weather: Option<Weather>) {
        let mut state = self.state();
        state.random = weather.map_or(0, |weather| weather.seed | 1);
        state.weather = weather;
    }

    /// Answers every call that is held.
    pub fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Every call so far, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// What came in that the real platform would not take, or would take for something else than was meant: bodies that
    /// its published description does not allow, limits, acknowledgements that were late. A test expects none.
    pub fn wrong(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    /// Waits until `ready` finds something. The server says with [`changed`](Self::changed) when to look again.
    ///
    /// # Panics
    /// After 30 s, with `what` and the last calls.
    pub async fn wait_until<T>(&self, what: &str, ready: impl Fn() -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = ready() {
                    return found;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => {
                let calls = self.calls();
                let last: Vec<String> = calls[calls.len().saturating_sub(20)..].iter().map(Call::in_short).collect();
                panic!("waited {PATIENCE:?} for {what}; the last calls:\n{}", last.join("\n"))
            }
        }
    }

    /// Says that something can be seen that could not be seen before.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// For servers: the trouble that a call meets. `is_post` tells whether it is one by which people see something.
    pub(crate) fn meet(&self, route: &str, channel: Option<&str>, is_post: bool) -> Option<Trouble> {
        let mut state = self.state();
        if let Some(trouble) = state.next.get_mut(route).and_then(VecDeque::pop_front) {
            return Some(trouble);
        }
        if !is_post {
            return None;
        }
        if let Some(channel) = channel
            && let Some(trouble) = state.next_in.get_mut(channel).and_then(VecDeque::pop_front)
        {
            *state.met.entry(channel.to_owned()).or_default() += 1;
            return Some(trouble);
        }
        if let Some(trouble) = channel.and_then(|channel| state.channels.get(channel)) {
            return Some(*trouble);
        }
        let weather = state.weather?;
        // xorshift64*
        let mut random = state.random;
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        state.random = random;
        let drawn = u32::try_from(random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0) % 1000;
        if drawn < weather.too_many {
            Some(Trouble::TooMany(weather.retry_after))
        } else if drawn < weather.too_many + weather.server_error {
            Some(Trouble::ServerError)
        } else {
            None
        }
    }

    /// For servers: tells whether a bucket is still closed by an earlier 429.
    pub(crate) fn is_early(&self, bucket: &str) -> bool {
        self.state().closed.get(bucket).is_some_and(|until| Instant::now() < *until)
    }

    /// For servers: closes a bucket, as the answer to a call says.
    pub(crate) fn close(&self, bucket: &str, wait: Duration) {
        self.state().closed.insert(bucket.to_owned(), Instant::now() + wait);
    }

    /// For servers: a call was answered, or was not for a trouble's sake.
    pub(crate) fn record(&self, call: Call) {
        self.state().calls.push(call);
        self.changed();
    }

    /// For servers: something came in that the real platform would not take.
    pub(crate) fn complain(&self, what: impl Into<String>) {
        self.state().wrong.push(what.into());
        self.changed();
    }

    /// For servers: waits for the next [`release`](Self::release) after this call, whenever the answer is awaited.
    pub(crate) fn released(&self) -> impl Future<Output = ()> + use<> {
        let mut releases = self.releases.subscribe();
        async move {
            if releases.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
