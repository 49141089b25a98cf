//! `chat.*`: messages of the bot.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::slack::{
    call::{Answer, Arguments, Refusal},
    clock,
    conversation::{Conversation, Kind},
    message::Message,
    schema::{POST_MESSAGE, UPDATE},
    state::{BOT_USER, State, TEAM_DOMAIN},
    workspace::Workspace,
};

impl Workspace {
    pub(crate) fn post_message(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let content = self.content(arguments, Some(&POST_MESSAGE), 40_000)?;
        let channel = arguments.required("channel")?;
        let (ts, message, events) = {
            let mut state = self.state();
            let channel = writable(&mut state, channel)?;
            let thread_ts = existing_thread(&state, &channel, arguments.text("thread_ts"))?;
            let message = Message {
                is_broadcast: thread_ts.is_some() && arguments.is_true("reply_broadcast"),
                thread_ts,
                user: BOT_USER.to_owned(),
                text: content.text.unwrap_or_default(),
                blocks: content.blocks.unwrap_or_default(),
                attachments: content.attachments.unwrap_or_default(),
                metadata: content.metadata,
                has_markup: content.has_markup,
                links_names: content.links_names,
                ..Message::default()
            };
            let ts = state.add(&channel, message).ok_or(Refusal::new("channel_not_found"))?;
            let events = self.message_events(&mut state, &channel, &ts);
            let shown = show(&state, &channel, &ts);
            (ts, json!({ "channel": channel, "message": shown }), events)
        };
        self.wire.changed();
        self.tell_all(events);
        let mut answer = message;
        answer["ts"] = json!(ts);
        Ok(answer)
    }

    pub(crate) fn post_ephemeral(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let content = self.content(arguments, None, 40_000)?;
        let user = arguments.required("user")?;
        let mut state = self.state();
        let channel = writable(&mut state, arguments.required("channel")?)?;
        if !state.users.contains_key(user) {
            return Err(Refusal::new("user_not_in_channel"));
        }
        let thread_ts = existing_thread(&state, &channel, arguments.text("thread_ts"))?;
        let message = Message {
            thread_ts,
            user: BOT_USER.to_owned(),
            text: content.text.unwrap_or_default(),
            blocks: content.blocks.unwrap_or_default(),
            attachments: content.attachments.unwrap_or_default(),
            private_to: Some(user.to_owned()),
            has_markup: content.has_markup,
            links_names: content.links_names,
            ..Message::default()
        };
        let ts = state.add(&channel, message).ok_or(Refusal::new("channel_not_found"))?;
        drop(state);
        self.wire.changed();
        Ok(json!({ "message_ts": ts }))
    }

    pub(crate) fn update_message(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let content = self.content(arguments, Some(&UPDATE), 4_000)?;
        let ts = arguments.required("ts")?;
        let (answer, event) = {
            let mut state = self.state();
            let channel = writable(&mut state, arguments.required("channel")?)?;
            let before = own_message(&state, &channel, ts, "cant_update_message")?;
            let previous = before.show(&state, conversation(&state, &channel)?, false);
            let stamp = clock::stamp(clock::micros());
            state.change(&channel, ts, |message| {
                // "If the text argument is provided and blocks are not provided, the blocks will be removed."
                match (content.text, content.blocks) {
                    (text, Some(blocks)) => {
                        message.text = text.unwrap_or_default();
                        message.blocks = blocks;
                    }
                    (Some(text), None) => {
                        message.text = text;
                        message.blocks = Vec::new();
                        message.edited = Some(stamp);
                    }
                    (None, None) => {}
                }
                if let Some(attachments) = content.attachments {
                    message.attachments = attachments;
                }
                if let Some(metadata) = content.metadata {
                    message.metadata =
                        metadata.as_object().is_some_and(|fields| !fields.is_empty()).then_some(metadata);
                }
                message.has_markup = content.has_markup;
                message.links_names = content.links_names;
            });
            let shown = show(&state, &channel, ts);
            let fields = Map::from_iter([
                ("message".to_owned(), shown.clone()),
                ("previous_message".to_owned(), Value::Object(previous)),
            ]);
            let event = self.change_event(&mut state, &channel, "message_changed", &fields);
            (json!({ "channel": channel, "ts": ts, "text": shown["text"], "message": shown }), event)
        };
        self.wire.changed();
        self.tell_all(event);
        Ok(answer)
    }

    pub(crate) fn delete_message(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let ts = arguments.required("ts")?;
        let (channel, event) = {
            let mut state = self.state();
            let channel = writable(&mut state, arguments.required("channel")?)?;
            own_message(&state, &channel, ts, "cant_delete_message")?;
            (channel.clone(), self.delete(&mut state, &channel, ts))
        };
        self.wire.changed();
        self.tell_all(event);
        Ok(json!({ "channel": channel, "ts": ts }))
    }

    /// Takes a message away, and answers the event of it.
    pub(crate) fn delete(&self, state: &mut State, channel: &str, ts: &str) -> Option<Value> {
        let previous = show(state, channel, ts);
        let message = state.conversations.get_mut(channel)?.message_mut(ts)?;
        message.is_deleted = true;
        if message.private_to.is_some() {
            return None;
        }
        let fields = Map::from_iter([("deleted_ts".to_owned(), json!(ts)), ("previous_message".to_owned(), previous)]);
        self.change_event(state, channel, "message_deleted", &fields)
    }

    pub(crate) fn permalink(&self, arguments: &Arguments) -> Answer {
        let (channel, ts) = (arguments.required("channel")?, arguments.required("message_ts")?);
        let state = self.state();
        let found = conversation(&state, channel)?.message(ts).ok_or(Refusal::new("message_not_found"))?;
        let mut link = format!("https://{TEAM_DOMAIN}.slack.com/archives/{channel}/p{}", ts.replace('.', ""));
        if let Some(thread) = &found.thread_ts {
            link.push_str(&format!("?thread_ts={thread}&cid={channel}"));
        }
        Ok(json!({ "channel": channel, "permalink": link }))
    }
}

/// The id of a conversation where the bot may write. A person's id stands for the direct conversation.
pub(crate) fn writable(state: &mut State, channel: &str) -> Result<String, Refusal> {
    let channel = if state.users.contains_key(channel) { state.direct(channel) } else { channel.to_owned() };
    let found = conversation(state, &channel)?;
    if found.is_archived {
        return Err(Refusal::new("is_archived"));
    }
    if !found.is_member {
        let is_open = found.kind == Kind::Channel && state.scopes.contains("chat:write.public");
        if !is_open {
            // Of a private channel it is not even told that there is one.
            let error = if found.kind == Kind::Channel { "not_in_channel" } else { "channel_not_found" };
            return Err(Refusal::new(error));
        }
    }
    Ok(channel)
}

pub(crate) fn conversation<'a>(state: &'a State, channel: &str) -> Result<&'a Conversation, Refusal> {
    state.conversations.get(channel).ok_or(Refusal::new("channel_not_found"))
}

/// The message that a reply hangs on. Slack takes the id of a reply for the id of its thread.
pub(crate) fn existing_thread(state: &State, channel: &str, ts: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(ts) = ts else { return Ok(None) };
    let parent = conversation(state, channel)?.message(ts).filter(|message| message.private_to.is_none());
    let parent = parent.ok_or(Refusal::new("thread_not_found"))?;
    Ok(Some(parent.thread_ts.clone().unwrap_or_else(|| parent.ts.clone())))
}

/// A message of the bot that everybody sees: those that one person sees are found by nobody.
fn own_message(state: &State, channel: &str, ts: &str, error: &'static str) -> Result<Message, Refusal> {
    let message = conversation(state, channel)?.message(ts).filter(|message| message.private_to.is_none());
    let message = message.ok_or(Refusal::new("message_not_found"))?;
    if message.is_ours() { Ok(message.clone()) } else { Err(Refusal::new(error)) }
}

/// A message as it is now, without its metadata.
pub(crate) fn show(state: &State, channel: &str, ts: &str) -> Value {
    let shown = state
        .conversations
        .get(channel)
        .and_then(|conversation| conversation.message(ts).map(|message| message.show(state, conversation, false)));
    shown.map_or(Value::Null, Value::Object)
}
