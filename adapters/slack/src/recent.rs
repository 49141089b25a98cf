//! What was said last at a place, as people read it.

use std::{sync::Arc, time::Duration};

use kanban_platform::{Said, Thread};

use crate::{
    KIND, Now,
    history::History,
    markup::{mentioned, plain_with},
    names::Names,
    payload::Message,
    web::{Identity, Web},
};

/// How long the names of those may take who are not known yet.
const NAMES_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) struct Recent {
    history: History,
    names: Arc<Names>,
}

impl Recent {
    pub(crate) fn new(web: Arc<Web>, now: Arc<Now>, names: Arc<Names>) -> Self {
        Self { history: History::new(web, now), names }
    }

    /// What was said last before a message, oldest first.
    pub(crate) async fn said(&self, us: &Identity, thread: &Thread, before: Option<&str>, count: usize) -> Vec<Said> {
        if count == 0 {
            return Vec::new();
        }
        self.names.learn(&us.user, &us.name);
        let messages = self.history.before(thread, before, count).await;
        let authors =
            messages.iter().filter(|message| message.name().is_none()).filter_map(|message| message.user.as_deref());
        let texts = messages.iter().filter_map(|message| message.text.as_deref());
        let people = authors.chain(texts.flat_map(mentioned)).filter(|user| *user != us.user);
        self.names.look_up(people, NAMES_DEADLINE).await;
        messages.into_iter().filter_map(|message| self.one(us, message)).collect()
    }

    fn one(&self, us: &Identity, message: Message) -> Option<Said> {
        let name = message.name().map(str::to_owned);
        let user = message.user.or(message.bot_id)?;
        let text = plain_with(&message.text.unwrap_or_default(), |user| self.names.of(user));
        let team = message.user_team.or(message.team).unwrap_or_else(|| us.team.clone());
        (!text.trim().is_empty()).then(|| Said {
            author: name.or_else(|| self.names.of(&user)).unwrap_or_else(|| user.clone()),
            person: format!("{KIND}:{team}/{user}"),
            is_ours: user == us.user,
            text,
        })
    }
}
