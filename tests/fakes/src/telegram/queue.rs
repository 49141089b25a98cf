//! Updates that wait for the bot: in order, kept until they are confirmed.

use std::{collections::VecDeque, sync::Arc};

/// Kinds of updates that the platform sends only when they are asked for by name.
const ON_REQUEST: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

const FIRST: i64 = 100_000_001;

/// The most updates that one answer holds.
const MOST: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Update>,
    /// Updates that come once more although they were confirmed.
    again: VecDeque<Update>,
    /// Every update so far, from the first one.
    all: Vec<Update>,
    allowed: Option<Vec<String>>,
    /// So many answers come in the wrong order.
    reversed: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) id: i64,
    /// The object as it goes out.
    pub(crate) body: Arc<str>,
}

impl Queue {
    /// The id that the next update gets.
    pub(crate) fn next_id(&self) -> i64 {
        FIRST + i64::try_from(self.all.len()).unwrap_or(i64::MAX - FIRST)
    }

    pub(crate) fn wants(&self, kind: &str) -> bool {
        match self.allowed.as_deref() {
            None | Some([]) => !ON_REQUEST.contains(&kind),
            Some(kinds) => kinds.iter().any(|wanted| wanted == kind),
        }
    }

    pub(crate) fn allow(&mut self, kinds: Vec<String>) {
        self.allowed = Some(kinds);
    }

    pub(crate) fn allowed(&self) -> Option<&[String]> {
        self.allowed.as_deref().filter(|kinds| !kinds.is_empty())
    }

    pub(crate) fn push(&mut self, body: String) {
        let update = Update { id: self.next_id(), body: body.into() };
        self.all.push(update.clone());
        self.waiting.push_back(update);
    }

    /// Forgets what an offset confirms. A negative one keeps so many of the newest.
    pub(crate) fn confirm(&mut self, offset: i64) {
        if offset < 0 {
            let kept = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            let dropped = self.waiting.len().saturating_sub(kept);
            self.waiting.drain(..dropped);
        }
        while self.waiting.front().is_some_and(|update| update.id < offset) {
            self.waiting.pop_front();
        }
    }

    /// What one answer holds. Repeated updates come first, and once.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Update> {
        let limit = limit.clamp(1, MOST);
        let again = self.again.len().min(limit);
        let mut taken: Vec<Update> = self.again.drain(..again).collect();
        taken.extend(self.waiting.iter().take(limit - again).cloned());
        if self.reversed > 0 && taken.len() > 1 {
            self.reversed -= 1;
            taken.reverse();
        }
        taken
    }

    /// The update that a webhook gets next.
    pub(crate) fn first(&self) -> Option<Update> {
        self.again.front().or_else(|| self.waiting.front()).cloned()
    }

    /// A webhook took this one.
    pub(crate) fn delivered(&mut self, id: i64) {
        if self.again.front().is_some_and(|update| update.id == id) {
            self.again.pop_front();
        } else if let Some(place) = self.waiting.iter().position(|update| update.id == id) {
            self.waiting.remove(place);
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len() + self.again.len()
    }

    pub(crate) fn last_id(&self) -> Option<i64> {
        self.all.last().map(|update| update.id)
    }

    /// Hands an update out once more. Answers whether there was one with this id.
    pub(crate) fn repeat(&mut self, id: i64) -> bool {
        let update = usize::try_from(id - FIRST).ok().and_then(|place| self.all.get(place)).cloned();
        let found = update.is_some();
        self.again.extend(update);
        found
    }

    pub(crate) fn reverse(&mut self, answers: usize) {
        self.reversed += answers;
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.again.clear();
    }
}
