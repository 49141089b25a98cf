//! What was said last where the bot is: Telegram shows bots no history, so that what passes by is kept for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use kanban_platform::Said;

use crate::{KIND, spot::Spot};

/// How many messages are kept, over all chats and in each place.
const IN_ALL: usize = 200;
const IN_A_PLACE: usize = 20;

/// The newest messages that the bot saw and sent, for as long as the process runs.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
    us: OnceLock<(String, String)>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order in which they came to be known.
    messages: Vec<Known>,
    forums: HashMap<i64, bool>,
}

/// A message and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) chat: i64,
    pub(crate) topic: Option<i64>,
    /// Newer messages of a chat have higher numbers.
    pub(crate) message: i64,
    pub(crate) reply_to: Option<i64>,
    pub(crate) said: Said,
}

impl Memory {
    /// Who we are, once Telegram has said so.
    pub(crate) fn introduce(&self, id: i64, username: &str) {
        // A second start says the same.
        let _ = self.us.set((format!("{KIND}:{id}"), username.to_owned()));
    }

    /// What the bot itself says.
    pub(crate) fn ours(&self, text: String) -> Said {
        let (person, author) = self.us.get().cloned().unwrap_or_else(|| (KIND.to_owned(), "the bot".to_owned()));
        Said { author, person, is_ours: true, text }
    }

    /// Keeps a message, in the place of what was known of it.
    pub(crate) fn keep(&self, known: Known) {
        let mut state = self.state();
        let is_same = |other: &Known| (other.chat, other.message) == (known.chat, known.message);
        if let Some(before) = state.messages.iter_mut().find(|other| is_same(other)) {
            // A message inside of another does not say what it replies to itself.
            let reply_to = known.reply_to.or(before.reply_to);
            *before = Known { reply_to, ..known };
            return;
        }
        let is_near = |other: &Known| (other.chat, other.topic) == (known.chat, known.topic);
        let near = state.messages.iter().enumerate().filter(|(_, other)| is_near(other));
        let count = near.clone().count();
        let oldest = near.min_by_key(|(_, other)| other.message).map(|(at, other)| (at, other.message));
        match oldest {
            Some((_, message)) if count >= IN_A_PLACE && message > known.message => return,
            Some((at, _)) if count >= IN_A_PLACE => drop(state.messages.remove(at)),
            Some(_) | None if state.messages.len() >= IN_ALL => drop(state.messages.remove(0)),
            Some(_) | None => {}
        }
        state.messages.push(known);
    }

    /// A message has another text now.
    pub(crate) fn edited(&self, chat: i64, message: i64, text: String) {
        let mut state = self.state();
        if let Some(known) = state.messages.iter_mut().find(|known| (known.chat, known.message) == (chat, message)) {
            known.said.text = text;
        }
    }

    /// The last messages of a place that are older than one of them, oldest first.
    pub(crate) fn recent(&self, chat: i64, spot: Spot, before: Option<i64>, count: usize) -> Vec<Said> {
        let state = self.state();
        let chat: HashMap<i64, &Known> =
            state.messages.iter().filter(|known| known.chat == chat).map(|known| (known.message, known)).collect();
        let is_here = |known: &Known| match spot {
            Spot::Chat => known.topic.is_none(),
            Spot::Topic(topic) => known.topic == Some(i64::from(topic)),
            Spot::Chain(root) => hangs_on(known.message, i64::from(root), &chat),
        };
        let is_older = |known: &Known| before.is_none_or(|before| known.message < before);
        let mut found: Vec<&Known> = chat.values().copied().filter(|known| is_here(known) && is_older(known)).collect();
        found.sort_by_key(|known| known.message);
        found.drain(..found.len().saturating_sub(count));
        found.into_iter().map(|known| known.said.clone()).collect()
    }

    pub(crate) fn note_forum(&self, chat: i64, is_forum: bool) {
        self.state().forums.insert(chat, is_forum);
    }

    /// Whether a chat has topics, where a message of it was seen.
    pub(crate) fn is_forum(&self, chat: i64) -> Option<bool> {
        self.state().forums.get(&chat).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a message is the root of a chain of replies or belongs to it, as far as its messages are known.
fn hangs_on(message: i64, root: i64, chat: &HashMap<i64, &Known>) -> bool {
    let above = |message: &i64| chat.get(message).and_then(|known| known.reply_to).filter(|above| above < message);
    std::iter::successors(Some(message), above).any(|message| message == root)
}

#[cfg(test)]
mod tests {
    use super::{IN_A_PLACE, IN_ALL, Known, Memory, Spot};
    use kanban_platform::Said;

    fn known(chat: i64, topic: Option<i64>, message: i64, reply_to: Option<i64>) -> Known {
        let said = Said {
            author: "Ann".to_owned(),
            person: "telegram:7".to_owned(),
            is_ours: false,
            text: message.to_string(),
        };
        Known { chat, topic, message, reply_to, said }
    }

    fn texts(said: Vec<Said>) -> Vec<String> {
        said.into_iter().map(|said| said.text).collect()
    }

    #[test]
    fn chats_topics_and_chains_are_told_apart() {
        let memory = Memory::default();
        for one in [
            known(-1, None, 5, None),
            known(-1, None, 6, Some(5)),
            known(-1, None, 7, None),
            known(-1, None, 8, Some(6)),
            known(-1, Some(2), 9, None),
            known(-2, None, 5, None),
            // What a reply shows of an older message comes to be known late.
            known(-1, None, 4, None),
        ] {
            memory.keep(one);
        }
        assert_eq!(texts(memory.recent(-1, Spot::Chat, None, 20)), ["4", "5", "6", "7", "8"]);
        assert_eq!(texts(memory.recent(-1, Spot::Chat, Some(8), 2)), ["6", "7"]);
        assert_eq!(texts(memory.recent(-1, Spot::Topic(2), None, 20)), ["9"]);
        assert_eq!(texts(memory.recent(-1, Spot::Chain(5), None, 20)), ["5", "6", "8"]);
        assert_eq!(texts(memory.recent(-1, Spot::Chat, None, 0)), Vec::<String>::new());
        memory.edited(-1, 7, "seven".to_owned());
        memory.keep(known(-1, None, 6, None));
        assert_eq!(texts(memory.recent(-1, Spot::Chain(5), Some(8), 20)), ["5", "6"]);
        assert_eq!(texts(memory.recent(-1, Spot::Chat, Some(8), 1)), ["seven"]);
    }

    #[test]
    fn it_stays_small() {
        let memory = Memory::default();
        for chat in 0..30 {
            for message in 1..=50 {
                memory.keep(known(chat, None, message, None));
            }
        }
        assert_eq!(memory.state().messages.len(), IN_ALL);
        let last = texts(memory.recent(29, Spot::Chat, None, 100));
        assert_eq!((last.len(), last[0].as_str()), (IN_A_PLACE, "31"));
        // One that is older than all that are known here pushes nothing out.
        memory.keep(known(29, None, 3, None));
        assert_eq!(texts(memory.recent(29, Spot::Chat, None, 100)), last);
        assert!(memory.recent(0, Spot::Chat, None, 100).is_empty());
    }
}
