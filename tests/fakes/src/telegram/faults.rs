//! What goes wrong on Telegram beyond what goes wrong with single calls.

use std::sync::atomic::Ordering;

use kanban_platform::Thread;
use serde_json::{Value, json};

use super::{
    TelegramServer,
    account::{Account, State},
    actions::Place,
    chat::{Kind, Shut},
    chats::administrator,
    flood::Flood,
};

impl TelegramServer {
    /// Hands an update out once more, though it may have been confirmed: the last one, or that of an id.
    ///
    /// # Panics
    /// When there was no such update.
    pub fn repeat(&self, update: Option<i64>) {
        let mut state = self.account.state();
        let id = update.or_else(|| state.queue.last_id());
        let found = id.is_some_and(|id| state.queue.repeat(id));
        assert!(found, "there is no update {id:?} to repeat");
        drop(state);
        self.account.arrivals.send_modify(|count| *count += 1);
    }

    /// Lets so many of the next answers with several updates hold them in the wrong order.
    pub fn reorder(&self, answers: usize) {
        self.account.state().queue.reverse(answers);
    }

    /// Lets long polls go without an answer, with their connections open, from now on or no more. Polls that came in
    /// the silence stay unanswered for ever, as those of a half-open connection.
    pub fn silence(&self, is_silent: bool) {
        self.account.is_silent.store(is_silent, Ordering::Release);
    }

    /// Another process polls with the same token: the poll that waits now is answered with 409.
    pub fn second_poller(&self) {
        self.account
            .conflict("terminated by other getUpdates request; make sure that only one bot instance is running");
    }

    /// Switches the platform's limits on sending on or off.
    pub fn limits(&self, are_on: bool) {
        self.account.state().flood = are_on.then(Flood::default);
    }

    /// A person blocks the bot, or takes it back. The chat is the person's private one.
    pub fn blocks(&self, name: &str, is_blocked: bool) {
        let chat = self.account.state().private(name);
        self.account.shut(chat, is_blocked.then_some(Shut::Blocked));
    }

    /// Somebody removes the bot from a group, or adds it again.
    pub fn kicks(&self, place: &Thread, is_kicked: bool) {
        self.account.shut(Place::of(place).chat, is_kicked.then_some(Shut::Kicked));
    }

    /// A chat is deleted, without a word to the bot.
    pub fn deletes_chat(&self, place: &Thread) {
        let chat = Place::of(place).chat;
        if let Some(chat) = self.account.state().chats.get_mut(&chat) {
            chat.shut = Some(Shut::Deleted);
        }
    }

    /// A topic is closed or opened again.
    pub fn closes_topic(&self, place: &Thread, is_closed: bool) {
        let place = Place::of(place);
        let mut state = self.account.state();
        let chat = state.chats.get_mut(&place.chat);
        let topic = place.topic.and_then(|topic| chat?.topics.get_mut(&topic)).expect("the place is a topic");
        topic.is_closed = is_closed;
    }

    /// A topic is deleted with all that it holds.
    pub fn deletes_topic(&self, place: &Thread) {
        let place = Place::of(place);
        if let (Some(topic), Some(chat)) = (place.topic, self.account.state().chats.get_mut(&place.chat)) {
            chat.topics.remove(&topic);
        }
    }

    /// A plain group becomes a supergroup. Answers the place as it is called from then on.
    pub fn migrates(&self, place: &Thread) -> Thread {
        let to = self.account.migrate(Place::of(place).chat);
        self.place(to, None)
    }

    /// A person deletes a message of anybody, which bots never learn.
    pub fn deletes_message(&self, place: &Thread, message: &str) {
        let chat = Place::of(place).chat;
        let id = message.parse().unwrap_or_default();
        if let Some(chat) = self.account.state().chats.get_mut(&chat) {
            chat.remove(id);
        }
        self.account.wire.changed();
    }

    /// The bot becomes an administrator of a group, who reads everything there, or is one no more.
    pub fn promotes(&self, place: &Thread, is_admin: bool) {
        let chat = Place::of(place).chat;
        let now = self.account.now();
        let mut state = self.account.state();
        let old = state.membership(chat);
        if let Some(chat) = state.chats.get_mut(&chat) {
            chat.is_admin = is_admin;
        }
        let new = state.membership(chat);
        self.account.tell_membership(&mut state, chat, now, &old, &new);
    }

    /// Whether groups deliver only commands, mentions and replies to the bot, as they do at first.
    pub fn privacy(&self, is_on: bool) {
        self.account.state().has_privacy = is_on;
    }
}

impl Account {
    fn shut(&self, chat: i64, shut: Option<Shut>) {
        let now = self.now();
        let mut state = self.state();
        let old = state.membership(chat);
        if let Some(chat) = state.chats.get_mut(&chat) {
            chat.shut = shut;
        }
        let new = state.membership(chat);
        self.tell_membership(&mut state, chat, now, &old, &new);
        self.wire.changed();
    }

    fn tell_membership(&self, state: &mut State, chat: i64, now: i64, old: &Value, new: &Value) {
        let owner = state.people.id("the owner");
        let Some(found) = state.chats.get(&chat) else { return };
        let from = if found.kind == Kind::Private { found.id } else { owner };
        let update = json!({
            "chat": found.json(&state.people),
            "from": state.people.json(from),
            "date": now,
            "old_chat_member": old,
            "new_chat_member": new,
        });
        self.publish(state, "my_chat_member", &update);
    }
}

impl State {
    /// The object `ChatMember` of the bot.
    fn membership(&self, chat: i64) -> Value {
        let bot = self.people.bot();
        match self.chats.get(&chat).map(|chat| (chat.shut, chat.is_admin)) {
            Some((None, true)) => administrator(&bot),
            Some((None, false)) => json!({"status": "member", "user": bot}),
            Some((Some(_), _)) | None => json!({"status": "kicked", "user": bot, "until_date": 0}),
        }
    }
}
