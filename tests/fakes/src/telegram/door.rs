//! The door that all servers have, for tests that are written once.

use std::sync::{PoisonError, atomic::Ordering};

use async_trait::async_trait;
use kanban_platform::Thread;

use super::{
    TelegramServer,
    actions::{Place, typed_command},
    chat::{Chat, Kind},
    message::Message,
    reader,
};
use crate::{
    server::{Seen, Server},
    wire::Wire,
};

#[async_trait]
impl Server for TelegramServer {
    fn kind(&self) -> &'static str {
        "telegram"
    }

    fn settings(&self) -> String {
        format!("[platforms.{}]\ntoken = \"{}\"\napi_base = \"{}\"\n", self.name, self.token(), self.api_base)
    }

    fn person(&self, name: &str) -> String {
        format!("telegram:{}", self.account.state().people.id(name))
    }

    /// A supergroup without topics, which becomes a forum when the first topic is opened.
    fn channel(&self, name: &str) -> Thread {
        let chat = self.account.state().group(name, Kind::Supergroup);
        self.place(chat, None)
    }

    fn thread(&self, channel: &str, name: &str) -> Thread {
        let chat = self.account.state().group(channel, Kind::Supergroup);
        let known = {
            let state = self.account.state();
            let topics = state.chats.get(&chat).map(|chat| &chat.topics);
            topics.and_then(|topics| topics.iter().find(|(_, topic)| topic.name == name).map(|(id, _)| *id))
        };
        let topic = known.unwrap_or_else(|| self.account.open_topic("the owner", chat, name));
        self.place(chat, Some(topic))
    }

    async fn connected(&self) {
        let is_connected =
            || self.account.pollers.load(Ordering::Acquire) > 0 || self.account.state().webhook.is_some();
        self.wire().wait_until("a poll or a webhook", || is_connected().then_some(())).await;
    }

    async fn says(&self, name: &str, place: &Thread, text: &str) -> String {
        self.account.write(name, Place::of(place), text, None).to_string()
    }

    async fn mentions(&self, name: &str, place: &Thread, text: &str) -> String {
        let text = format!("@{} {text}", self.bot());
        self.account.write(name, Place::of(place), &text, None).to_string()
    }

    async fn replies(&self, name: &str, place: &Thread, message: &str, text: &str) -> String {
        let above = message.parse().expect("ids of messages are numbers");
        self.account.write(name, Place::of(place), text, Some(above)).to_string()
    }

    /// Several files are an album: a message for each, the words below the first.
    async fn sends(&self, name: &str, place: &Thread, words: &str, files: &[(&str, &[u8])]) -> String {
        let words = if words.is_empty() { String::new() } else { format!("@{} {words}", self.bot()) };
        self.account.send_files(name, Place::of(place), files, &words).to_string()
    }

    async fn edits(&self, name: &str, place: &Thread, message: &str, text: &str) {
        let id = message.parse().expect("ids of messages are numbers");
        self.account.rewrite(name, Place::of(place), id, text);
    }

    async fn commands(&self, name: &str, place: &Thread, verb: &[&str], fields: &[(&str, &str)]) {
        let place = Place::of(place);
        // In a group an app proposes the command with the bot's name behind it.
        let command = if place.chat < 0 { format!("/kanban@{}", self.bot()) } else { "/kanban".to_owned() };
        let text = {
            let declaration = self.declaration.lock().unwrap_or_else(PoisonError::into_inner);
            typed_command(&command, declaration.as_ref(), verb, fields)
        };
        self.account.write(name, place, &text, None);
    }

    async fn presses(&self, name: &str, place: &Thread, message: &str, label: &str) {
        let id = message.parse().expect("ids of messages are numbers");
        self.account.press_label(name, Place::of(place), id, label);
    }

    /// The press brings a message that opens the field for a reply, and the words are that reply.
    async fn fills(&self, name: &str, place: &Thread, message: &str, label: &str, words: &str) {
        let chat = Place::of(place).chat;
        let (person, newest) = {
            let mut state = self.account.state();
            let person = state.people.id(name);
            let newest = state.chats.get(&state.current(chat)).map_or(0, Chat::newest);
            (person, newest)
        };
        self.presses(name, place, message, label).await;
        let asked = || {
            let state = self.account.state();
            let chat = state.chats.get(&state.current(chat))?;
            chat.after(newest).find(|message| chat.asks(message, person)).map(|message| message.id)
        };
        let asked = self.wire().wait_until(&format!("a message that asks {name} for a reply"), asked).await;
        self.account.write(name, Place { chain: None, ..Place::of(place) }, words, Some(asked));
    }

    fn joins(&self, _name: &str, _group: &str) -> Option<String> {
        None
    }

    /// The topics that the bot opened, and the chains of its own replies to messages of its own.
    fn opened(&self, channel: &Thread) -> Vec<Thread> {
        let state = self.account.state();
        let chat = state.current(Place::of(channel).chat);
        let Some(found) = state.chats.get(&chat) else { return Vec::new() };
        let is_ours = |id: &i64| found.message(*id).is_some_and(Message::is_ours);
        let topics = found.topics.keys().copied().filter(is_ours).map(|id| (id, id.to_string()));
        let chains = found.chains().into_iter().map(|id| (id, format!("r{id}")));
        let mut opened: Vec<(i64, String)> = topics.chain(chains).collect();
        opened.sort_unstable();
        opened.into_iter().map(|(_, thread)| Thread { thread: Some(thread), ..self.place(chat, None) }).collect()
    }

    fn reactions(&self, place: &Thread, message: &str) -> Vec<String> {
        self.reaction(place, message).into_iter().collect()
    }

    async fn suggestions(&self, _: &str, _: &Thread, _: &[&str], _: &str, _: &str) -> Option<Vec<(String, String)>> {
        None
    }

    fn seen(&self, place: &Thread) -> Vec<Seen> {
        let place = Place::of(place);
        let state = self.account.state();
        let Some(chat) = state.chats.get(&place.chat) else { return Vec::new() };
        let messages: Vec<&Message> = match place.chain {
            Some(root) => chat.chain(root).collect(),
            None => chat.messages(place.topic).collect(),
        };
        let messages = messages.into_iter().filter(|message| message.service.is_none());
        messages.map(|message| reader::seen(message, &state)).collect()
    }

    fn wire(&self) -> &Wire {
        &self.account.wire
    }
}
