//! The platform's limits on sending, as "Bots FAQ" has them: about one message a second in a chat, thirty a second over
//! all, twenty a minute in a group.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

const OVERALL: (usize, Duration) = (30, Duration::from_secs(1));
const GROUP: (usize, Duration) = (20, Duration::from_secs(60));

/// So many messages may come at once into a chat that was quiet, then one a second.
const BURST: (usize, Duration) = (3, Duration::from_secs(3));

#[derive(Debug, Default)]
pub(crate) struct Flood {
    overall: Window,
    chats: HashMap<i64, (Window, Window)>,
}

#[derive(Debug, Default)]
struct Window(VecDeque<Instant>);

impl Flood {
    /// Counts a message, or answers how long it is too early.
    pub(crate) fn take(&mut self, chat: i64, is_group: bool, now: Instant) -> Option<Duration> {
        let (burst, group) = self.chats.entry(chat).or_default();
        let mut wait = self.overall.wait(OVERALL, now).max(burst.wait(BURST, now));
        if is_group {
            wait = wait.max(group.wait(GROUP, now));
        }
        if wait.is_none() {
            self.overall.0.push_back(now);
            burst.0.push_back(now);
            group.0.push_back(now);
        }
        wait
    }
}

impl Window {
    fn wait(&mut self, (most, per): (usize, Duration), now: Instant) -> Option<Duration> {
        while self.0.front().is_some_and(|at| *at + per <= now) {
            self.0.pop_front();
        }
        let full = self.0.len() >= most;
        full.then(|| self.0.front().map_or(per, |at| *at + per - now))
    }
}
