//! People's messages.

use std::sync::Arc;

use kanban_platform::Thread;
use serde_json::{Map, Value, json};

use crate::{
    Seen,
    slack::{
        clock,
        file::File,
        message::Message,
        state::{BOT_USER, State},
        typed::{self, Typed},
        workspace::Workspace,
    },
};

impl Workspace {
    /// A person types a message, which may begin with a mention of the bot. Answers its id.
    ///
    /// # Panics
    /// Where there is no such conversation or thread.
    pub(crate) fn say(self: &Arc<Self>, name: &str, place: &Thread, text: &str, to_bot: bool) -> String {
        let (ts, events) = {
            let mut state = self.state();
            let ts = add_message(&mut state, name, place, text, to_bot);
            let events = self.message_events(&mut state, &place.channel, &ts);
            (ts, events)
        };
        self.wire.changed();
        self.tell_all(events);
        ts
    }

    /// A person shares files in one message, which begins with a mention of the bot if it has words.
    ///
    /// # Panics
    /// Where there is no such conversation or thread.
    pub(crate) fn share(self: &Arc<Self>, name: &str, place: &Thread, words: &str, files: &[(&str, &[u8])]) -> String {
        let (ts, events) = {
            let mut state = self.state();
            let user = state.user(name);
            let ids: Vec<String> = files
                .iter()
                .map(|(name, content)| {
                    let id = state.make_id('F');
                    let file = File {
                        id: id.clone(),
                        name: (*name).to_owned(),
                        title: (*name).to_owned(),
                        user: user.clone(),
                        base: self.base.clone(),
                        ticket: String::new(),
                        length: content.len(),
                        content: Some(content.to_vec()),
                        is_shared: true,
                        created: clock::seconds(),
                    };
                    state.files.insert(id.clone(), file);
                    id
                })
                .collect();
            let ts = add_message_with(&mut state, name, place, words, !words.is_empty(), ids);
            let events = self.message_events(&mut state, &place.channel, &ts);
            (ts, events)
        };
        self.wire.changed();
        self.tell_all(events);
        ts
    }

    /// A person types a message, of which the app is not told yet. Answers its events.
    pub(crate) fn say_quietly(&self, name: &str, place: &Thread, text: &str) -> (String, Vec<Value>) {
        let mut state = self.state();
        let ts = add_message(&mut state, name, place, text, false);
        let events = self.message_events(&mut state, &place.channel, &ts);
        (ts, events)
    }

    /// A person edits a message of theirs.
    ///
    /// # Panics
    /// Where it is not theirs.
    pub(crate) fn edit(self: &Arc<Self>, name: &str, place: &Thread, ts: &str, text: &str) {
        let event = {
            let mut state = self.state();
            let user = own(&mut state, name, place, ts);
            let previous = shown(&state, place, ts);
            let Typed { text, blocks } = typed::message(&state, None, text);
            let stamp = clock::stamp(clock::micros());
            state.change(&place.channel, ts, |message| {
                // Editing leaves a mention at the beginning where it was.
                let mention = format!("<@{BOT_USER}> ");
                message.text = if message.text.starts_with(&mention) { mention + &text } else { text };
                message.blocks = blocks;
                message.edited = Some(stamp);
            });
            let mut message = shown(&state, place, ts);
            message["edited"]["user"] = json!(user);
            let fields = Map::from_iter([("message".to_owned(), message), ("previous_message".to_owned(), previous)]);
            self.change_event(&mut state, &place.channel, "message_changed", &fields)
        };
        self.wire.changed();
        self.tell_all(event);
    }

    /// A person deletes a message of theirs.
    ///
    /// # Panics
    /// Where it is not theirs.
    pub(crate) fn remove(self: &Arc<Self>, name: &str, place: &Thread, ts: &str) {
        let event = {
            let mut state = self.state();
            own(&mut state, name, place, ts);
            self.delete(&mut state, &place.channel, ts)
        };
        self.wire.changed();
        self.tell_all(event);
    }

    /// The messages of a channel itself, or of a thread without the message that it hangs on.
    pub(crate) fn seen(&self, place: &Thread) -> Vec<Seen> {
        let state = self.state();
        let Some(conversation) = state.conversations.get(&place.channel) else { return Vec::new() };
        match &place.thread {
            Some(thread) => conversation.replies(thread).map(|message| see(&state, message)).collect(),
            None => conversation.top().map(|message| see(&state, message)).collect(),
        }
    }
}

fn add_message(state: &mut State, name: &str, place: &Thread, text: &str, to_bot: bool) -> String {
    add_message_with(state, name, place, text, to_bot, Vec::new())
}

fn add_message_with(
    state: &mut State,
    name: &str,
    place: &Thread,
    text: &str,
    to_bot: bool,
    files: Vec<String>,
) -> String {
    let user = state.user(name);
    let Typed { text, blocks } = typed::message(state, to_bot.then_some(BOT_USER), text);
    let client_msg_id = Some(state.random.uuid());
    if let Some(thread) = &place.thread {
        let parent = state.conversations.get(&place.channel).and_then(|conversation| conversation.message(thread));
        assert!(parent.is_some(), "there is no thread `{place}`");
    }
    let message = Message {
        thread_ts: place.thread.clone(),
        user,
        text,
        blocks,
        has_markup: true,
        client_msg_id,
        files,
        ..Message::default()
    };
    state.add(&place.channel, message).unwrap_or_else(|| panic!("there is no channel `{place}`"))
}

fn own(state: &mut State, name: &str, place: &Thread, ts: &str) -> String {
    let user = state.user(name);
    let message = state.conversations.get(&place.channel).and_then(|conversation| conversation.message(ts));
    let is_own = message.is_some_and(|message| message.user == user);
    assert!(is_own, "`{ts}` in `{place}` is no message of `{name}`");
    user
}

fn shown(state: &State, place: &Thread, ts: &str) -> Value {
    let conversation = state.conversations.get(&place.channel);
    let message = conversation.and_then(|conversation| Some((conversation, conversation.message(ts)?)));
    message.map_or(Value::Null, |(conversation, message)| Value::Object(message.show(state, conversation, false)))
}

fn see(state: &State, message: &Message) -> Seen {
    let files = message.files.iter().filter_map(|id| state.files.get(id));
    let contents = files.clone().map(|file| file.content.clone().unwrap_or_default()).collect();
    Seen {
        id: message.ts.clone(),
        is_ours: message.is_ours(),
        text: message.reading.text.clone(),
        buttons: message.reading.buttons.clone(),
        earlier: message.earlier.clone(),
        private_to: message.private_to.as_ref().map(|id| state.user_name(id).unwrap_or(id).to_owned()),
        reply_to: message.thread_ts.clone(),
        files: files
            .map(|file| {
                let content = file.content.as_deref().unwrap_or_default();
                (file.name.clone(), String::from_utf8_lossy(content).into_owned())
            })
            .collect(),
        contents,
        pings: message.reading.pings.clone(),
    }
}
