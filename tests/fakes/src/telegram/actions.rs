//! What people do: they write, reply, edit, press and send files.

use std::sync::Arc;

use kanban_platform::{Kind as ArgKind, Spec, Thread};
use serde_json::{Value, json};

use super::{
    account::{Account, State},
    chat::{Chat, Kind, Shut},
    entity::{Entity, Formatted},
    message::Message,
    typed,
};

/// Where a person acts: a chat, and perhaps a topic of it or a chain of replies in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) chat: i64,
    pub(crate) topic: Option<i64>,
    /// The message on which the chain hangs, as the thread `r123` names it. People speak there by replying to it.
    pub(crate) chain: Option<i64>,
}

impl Place {
    /// # Panics
    /// When the thread is none of this server's.
    pub(crate) fn of(thread: &Thread) -> Self {
        let number = |text: &String| text.parse().ok();
        let chat = number(&thread.channel).expect("a place of Telegram has a number for its chat");
        let chain = thread.thread.as_ref().and_then(|thread| thread.strip_prefix('r')?.parse().ok());
        Self { chat, topic: thread.thread.as_ref().and_then(number), chain }
    }
}

impl Account {
    /// A person sends a text, in as many messages as it takes. Answers the id of the first.
    pub(crate) fn write(&self, name: &str, place: Place, text: &str, reply_to: Option<i64>) -> i64 {
        let mut state = self.state();
        let mut first = None;
        for body in typed::messages(text) {
            let message = state.written(name, place, body, reply_to.filter(|_| first.is_none()), self.now());
            let chat = state.current(place.chat);
            let id = self.receive(&mut state, chat, message);
            first.get_or_insert(id);
        }
        first.unwrap_or(0)
    }

    pub(crate) fn rewrite(&self, name: &str, place: Place, id: i64, text: &str) {
        let now = self.now();
        let mut state = self.state();
        let author = state.people.id(name);
        let chat = state.current(place.chat);
        let body = typed::messages(text).into_iter().next().unwrap_or_default();
        let found = state.chats.get_mut(&chat).and_then(|chat| chat.message_mut(id));
        let message = found.filter(|message| message.author == Some(author)).expect("people edit messages of theirs");
        message.earlier.push(message.body.text.clone());
        message.entities = body.entities.iter().map(Entity::json).collect();
        message.body = body;
        message.edited = Some(now);
        self.tell(&mut state, chat, id, "edited_message");
    }

    /// A person presses a button, of an inline keyboard or of one that stands for the person's own keyboard.
    pub(crate) fn press_label(self: &Arc<Self>, name: &str, place: Place, id: i64, label: &str) {
        let (person, chat, button) = {
            let mut state = self.state();
            let person = state.people.id(name);
            let chat = state.current(place.chat);
            let message = state.chats.get(&chat).and_then(|chat| chat.message(id)).expect("the message is there");
            let labelled = |button: &&Value| button["text"] == label || **button == label;
            let button = message.buttons().find(labelled).cloned();
            (person, chat, button.unwrap_or_else(|| panic!("the message has no button `{label}`: {message:?}")))
        };
        match button["callback_data"].as_str() {
            Some(data) => {
                self.press(person, chat, id, data);
            }
            // A link opens, and the bot does not learn of it; a button of a reply keyboard types its text.
            None if button.get("url").is_some() => {}
            None => {
                self.write(name, place, label, None);
            }
        }
    }

    pub(crate) fn send_files(&self, name: &str, place: Place, files: &[(&str, &[u8])], caption: &str) -> i64 {
        let mut state = self.state();
        let mut first = None;
        let album = (files.len() > 1).then(|| format!("9{:015}", state.files.len()));
        for (file, content) in files {
            let caption = if first.is_none() { caption } else { "" };
            let body = typed::messages(caption).into_iter().next().unwrap_or_default();
            let mut message = state.written(name, place, body, None, self.now());
            message.document = Some(state.store(file, content.to_vec()));
            message.album.clone_from(&album);
            let chat = state.current(place.chat);
            let id = self.receive(&mut state, chat, message);
            first.get_or_insert(id);
        }
        first.unwrap_or(0)
    }

    /// Opens a topic, and answers its id.
    pub(crate) fn open_topic(&self, name: &str, chat: i64, topic: &str) -> i64 {
        let now = self.now();
        let mut state = self.state();
        let person = state.people.id(name);
        let Some(found) = state.chats.get_mut(&chat) else { return 0 };
        assert_eq!(found.kind, Kind::Supergroup, "only a supergroup has topics");
        found.is_forum = true;
        let id = found.open_topic(topic, Some(person), now);
        self.tell(&mut state, chat, id, "message");
        id
    }

    /// The group becomes a supergroup with another id.
    pub(crate) fn migrate(&self, chat: i64) -> i64 {
        let now = self.now();
        let mut state = self.state();
        let to = state.new_id(Kind::Supergroup);
        let title = state.chats.get(&chat).map(|chat| chat.title.clone()).unwrap_or_default();
        let person = state.people.id("the owner");
        let note = |field, other: i64| Message {
            service: Some((field, json!(other))),
            ..Message::new(Some(person), None, now)
        };
        state.chats.insert(to, Chat::new(to, Kind::Supergroup, &title));
        self.receive(&mut state, chat, note("migrate_to_chat_id", to));
        self.receive(&mut state, to, note("migrate_from_chat_id", chat));
        if let Some(old) = state.chats.get_mut(&chat) {
            old.shut = Some(Shut::Migrated(to));
        }
        if let Some(id) = state.places.values_mut().find(|id| **id == chat) {
            *id = to;
        }
        to
    }
}

impl State {
    /// The chat as which a chat goes on.
    pub(crate) fn current(&self, chat: i64) -> i64 {
        match self.chats.get(&chat).and_then(|chat| chat.shut) {
            Some(Shut::Migrated(to)) => to,
            Some(Shut::Blocked | Shut::Kicked | Shut::Deleted) | None => chat,
        }
    }

    fn written(&mut self, name: &str, place: Place, body: Formatted, reply_to: Option<i64>, now: i64) -> Message {
        let author = self.people.id(name);
        let chat = self.chats.get(&self.current(place.chat)).expect("the chat was made by this server");
        assert!(chat.kind != Kind::Private || chat.id == author, "`{name}` is not in this private chat");
        let reply_to = reply_to.or(place.chain);
        let above = reply_to.and_then(|id| chat.message(id));
        assert_eq!(reply_to.is_some(), above.is_some(), "the message that `{name}` replies to is there");
        let root = above.filter(|_| chat.kind == Kind::Supergroup && !chat.is_forum);
        let root = root.map(|message| message.root.unwrap_or(message.id));
        let entities = body.entities.iter().map(Entity::json).collect();
        Message { reply_to, root, entities, body, ..Message::new(Some(author), place.topic, now) }
    }
}

/// A command as a person types it: options before what is given by place, and a text of several lines below them all.
///
/// Without a declaration every field is an option, but for those without a name.
pub(crate) fn typed_command(
    command: &str,
    declaration: Option<&Spec>,
    verb: &[&str],
    fields: &[(&str, &str)],
) -> String {
    let spec = declaration.and_then(|root| root.at(verb));
    let argument = |name: &str| spec.and_then(|spec| spec.args.iter().find(|arg| arg.name == name));
    let mut below = vec![];
    let mut words = vec![command.to_owned()];
    words.extend(verb.iter().map(|&step| step.to_owned()));
    let is_by_place = |name: &str| name.is_empty() || argument(name).is_some_and(|arg| arg.positional);
    for (name, value) in fields.iter().filter(|(name, _)| !is_by_place(name)) {
        let is_flag = argument(name).map_or(*value == "true", |arg| arg.kind == ArgKind::Flag);
        match (is_flag, *value) {
            (true, "true") => words.push(format!("--{name}")),
            (true, _) => {}
            (false, value) if value.contains('\n') => below.push(value),
            (false, value) => words.push(format!("--{name}={}", quoted(value))),
        }
    }
    match spec {
        Some(spec) => {
            let places = spec.args.iter().filter(|arg| arg.positional);
            let given = places.flat_map(|arg| fields.iter().filter(move |(name, _)| *name == arg.name));
            words.extend(given.map(|(_, value)| (*value).to_owned()));
        }
        None => words.extend(fields.iter().filter(|(name, _)| name.is_empty()).map(|(_, value)| (*value).to_owned())),
    }
    let mut lines = vec![words.join(" ")];
    lines.extend(below.into_iter().map(str::to_owned));
    lines.join("\n")
}

fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '@' | ',' | '+' | '~');
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
