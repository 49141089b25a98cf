//! Very many messages of people, as fast as the app acknowledges them, with repeats and out of order.

use std::{collections::BTreeMap, sync::Arc};

use kanban_platform::Thread;
use serde_json::Value;

use crate::slack::{SlackServer, random::Random};

/// How a flood comes.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    pub seed: u64,
    /// How many events may wait for their acknowledgement at a time. Slack sends what happens, but a gateway that is
    /// behind by more than three seconds would only measure its own backlog.
    pub window: usize,
    /// How many of a thousand events come twice.
    pub repeats: u32,
    /// How many of a thousand events come after some that happened later.
    pub delays: u32,
}

impl Default for Flood {
    fn default() -> Self {
        Self { seed: 1, window: 200, repeats: 0, delays: 0 }
    }
}

impl SlackServer {
    /// Lets people type all these messages, and answers their ids once each was acknowledged, or given up.
    ///
    /// # Panics
    /// When nothing is acknowledged for 30 s.
    pub async fn flood<'a>(
        &self,
        flood: Flood,
        messages: impl IntoIterator<Item = (&'a str, &'a Thread, String)>,
    ) -> Vec<String> {
        let mut random = Random::new(flood.seed);
        let mut ids = Vec::new();
        // Events by the place in the order of sending that they were put off to.
        let mut later: BTreeMap<usize, Vec<Arc<Value>>> = BTreeMap::new();
        let mut place = 0;
        for (name, thread, text) in messages {
            let (ts, events) = self.workspace.say_quietly(name, thread, &text);
            ids.push(ts);
            for event in events.into_iter().map(Arc::new) {
                place += 1;
                if random.happens(flood.repeats) {
                    later.entry(place + 1 + random.below(50)).or_default().push(Arc::clone(&event));
                }
                if random.happens(flood.delays) {
                    later.entry(place + 1 + random.below(10)).or_default().push(event);
                } else {
                    self.send(event, flood.window).await;
                }
            }
            while let Some(entry) = later.first_entry().filter(|entry| *entry.key() <= place) {
                for event in entry.remove() {
                    self.send(event, flood.window).await;
                }
            }
        }
        for event in later.into_values().flatten() {
            self.send(event, flood.window).await;
        }
        self.settled().await;
        ids
    }

    /// Waits until every event was acknowledged, or given up.
    ///
    /// # Panics
    /// After 30 s.
    pub async fn settled(&self) {
        self.wait_for_room(1).await;
    }

    async fn send(&self, event: Arc<Value>, window: usize) {
        self.wait_for_room(window).await;
        self.workspace.tell(event);
    }

    /// Waits until fewer events than these are on their way. Each one that arrives begins the patience anew.
    async fn wait_for_room(&self, window: usize) {
        loop {
            let open = self.workspace.link.open();
            if open < window {
                return;
            }
            let progress = || {
                let now = self.workspace.link.open();
                (now < open || now < window).then_some(())
            };
            self.workspace.wire.wait_until("acknowledgements of events", progress).await;
        }
    }
}
