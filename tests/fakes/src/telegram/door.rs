//! The door that all servers have, for tests that are written once.

use std::sync::{PoisonError, atomic::Ordering};

use async_trait::async_trait;
use kanban_platform::Thread;

use super::{
    TelegramServer,
    actions::{Place, typed_command},
    chat::Kind,
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

    async fn suggestions(&self, _: &str, _: &Thread, _: &[&str], _: &str, _: &str) -> Option<Vec<(String, String)>> {
        None
    }

    fn seen(&self, place: &Thread) -> Vec<Seen> {
        let place = Place::of(place);
        let state = self.account.state();
        let messages = state.chats.get(&place.chat).into_iter().flat_map(|chat| chat.messages(place.topic));
        let messages = messages.filter(|message| message.service.is_none());
        messages.map(|message| reader::seen(message, &state)).collect()
    }

    fn wire(&self) -> &Wire {
        &self.account.wire
    }
}
