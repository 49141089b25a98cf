//! Calls on messages of channels.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Options,
    account::BOT,
    channel::{Channel, ChannelKind, Permission},
    components::{displayed, number},
    form,
    mention::{Unsaid, allow, mentioned, snowflake},
    message::{COMPONENTS_V2, EPHEMERAL, File, Message},
    read,
    refusal::Refusal,
    state::State,
};

/// A status and a body, or why the call is not done.
pub(super) type Answer = Result<(u16, Value), Refusal>;

/// What a call brings along.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) json: Value,
    pub(super) query: HashMap<String, String>,
    /// By the number in `files[0]`.
    pub(super) files: Vec<(u64, File)>,
}

/// What only some of the flags may be set by the caller.
const SETTABLE: u64 = 1 << 2 | EPHEMERAL | 1 << 12 | COMPONENTS_V2;

impl State {
    /// A channel that the bot can see.
    pub(super) fn visible(&self, id: u64) -> Result<&Channel, Refusal> {
        let channel = self.channels.get(&id).ok_or_else(Refusal::unknown_channel)?;
        if self.may(channel, Permission::ViewChannel) { Ok(channel) } else { Err(Refusal::missing_access()) }
    }

    pub(super) fn create_message(&mut self, channel: u64, body: &Body, options: &Options) -> Answer {
        self.check_may_post(channel, body)?;
        let nonce =
            body.json["nonce"].as_str().map(str::to_owned).or_else(|| Some(body.json["nonce"].as_i64()?.to_string()));
        if body.json["enforce_nonce"] == true
            && let Some((first, at)) = nonce.as_ref().and_then(|nonce| self.nonces.get(&(channel, nonce.clone())))
            && at.elapsed() < options.nonce_window
            && let Some(first) = self.messages.get(first)
        {
            return Ok((200, self.message_json(first, true)));
        }
        let reply = snowflake(&body.json["message_reference"]["message_id"]);
        let mut replied = None;
        if let Some(id) = reply {
            let found = self.messages.get(&id).filter(|found| found.channel == channel && found.private_to.is_none());
            if found.is_none() && body.json["message_reference"]["fail_if_not_exists"] != false {
                return Err(Refusal::one("message_reference", "Unknown message"));
            }
            replied = found.map(|found| found.author);
        }
        let mut message = self.draft(channel, body, Unsaid::Message, replied)?;
        message.flags &= !EPHEMERAL;
        message.reference = reply.filter(|_| replied.is_some());
        message.kind = if message.reference.is_some() { 19 } else { 0 };
        message.nonce = Some(body.json["nonce"].clone()).filter(|nonce| !nonce.is_null());
        if let Some(nonce) = nonce {
            self.nonces.insert((channel, nonce), (message.id, Instant::now()));
        }
        Ok((200, self.publish(message)))
    }

    /// A new message of the bot from the body of a call, not yet shown.
    pub(super) fn draft(
        &mut self,
        channel: u64,
        body: &Body,
        unsaid: Unsaid,
        replied: Option<u64>,
    ) -> Result<Message, Refusal> {
        let mut message = Message { id: self.ids.next(), channel, author: BOT, ..Message::default() };
        message.flags = body.json["flags"].as_u64().unwrap_or(0) & SETTABLE;
        self.write(&mut message, body, unsaid, replied)?;
        Ok(message)
    }

    /// Keeps a message and tells the bot of it; answers it as a call does.
    pub(super) fn publish(&mut self, mut message: Message) -> Value {
        self.notify(&mut message);
        if let Some(channel) = self.channels.get_mut(&message.channel) {
            // A post wakes an archived thread.
            channel.archived = false;
            channel.messages.push(message.id);
        }
        self.dispatch_message("MESSAGE_CREATE", &message);
        let json = self.message_json(&message, true);
        self.messages.insert(message.id, message);
        json
    }

    /// Gives a message what a body says: on an edit, what the body leaves out stays.
    pub(super) fn write(
        &mut self,
        message: &mut Message,
        body: &Body,
        unsaid: Unsaid,
        replied: Option<u64>,
    ) -> Result<(), Refusal> {
        let json = &body.json;
        let list = |field: &str| json[field].as_array().cloned().unwrap_or_default();
        if json.get("content").is_some() {
            message.content = json["content"].as_str().unwrap_or_default().trim().to_owned();
        }
        if json.get("embeds").is_some() {
            message.embeds = list("embeds");
            for embed in &mut message.embeds {
                embed["type"] = "rich".into();
                for field in embed.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                    field["inline"] = (field["inline"] == true).into();
                }
            }
        }
        if json.get("components").is_some() {
            message.components = list("components");
            number(&mut message.components, &mut 0);
        }
        message.flags |= json["flags"].as_u64().unwrap_or(0) & COMPONENTS_V2;
        self.attach(message, body)?;
        let is_v2 = message.flags & COMPONENTS_V2 != 0;
        if is_v2 && !(message.content.is_empty() && message.embeds.is_empty()) {
            return Err(Refusal::one("content", "cannot be used with components v2"));
        }
        let is_bare = message.content.is_empty() && message.embeds.is_empty() && message.attachments.is_empty();
        if is_bare && (!is_v2 || message.components.is_empty()) {
            return Err(Refusal::empty_message());
        }
        let text = if is_v2 { displayed(&message.components) } else { message.content.clone() };
        message.mentioned = allow(mentioned(&text), json.get("allowed_mentions"), unsaid, replied);
        let may_call_all =
            self.channels.get(&message.channel).is_some_and(|it| self.may(it, Permission::MentionEveryone));
        message.mentioned.everyone &= may_call_all;
        message.mentioned.here &= may_call_all;
        Ok(())
    }

    /// Changes a message of the bot, and keeps what people read before.
    pub(super) fn rewrite(&mut self, id: u64, body: &Body, unsaid: Unsaid) -> Answer {
        let mut message = self.messages.get(&id).cloned().ok_or_else(Refusal::unknown_message)?;
        let before = (!message.is_thinking()).then(|| read::message(self, &message));
        // An edit reads its new text afresh, by the default where it does not say whom it may notify. Whether the author
        // whom it answers was notified stays as it was (Message resource, "Edit Message").
        let notified = message.mentioned.clone();
        let replied = message.reference.and_then(|id| self.messages.get(&id)).map(|replied| replied.author);
        let replied = replied.filter(|author| notified.users.contains(author));
        let is_first = before.is_none();
        message.flags &= !super::message::LOADING;
        self.write(&mut message, body, unsaid, replied)?;
        let text = if message.flags & COMPONENTS_V2 != 0 { "components" } else { "content" };
        if !is_first && body.json.get(text).is_none() {
            message.mentioned = notified;
        }
        if !is_first {
            message.edited_at = Some(self.ids.now());
        }
        message.earlier.extend(before.filter(|before| *before != read::message(self, &message)));
        self.notify(&mut message);
        self.dispatch_message("MESSAGE_UPDATE", &message);
        let json = self.message_json(&message, true);
        self.messages.insert(id, message);
        Ok((200, json))
    }

    pub(super) fn edit_message(&mut self, channel: u64, id: u64, body: &Body) -> Answer {
        if self.visible(channel)?.archived {
            return Err(Refusal::thread_archived());
        }
        let message = self.in_channel(channel, id)?;
        if message.author != BOT {
            return Err(Refusal::foreign_message());
        }
        self.rewrite(id, body, Unsaid::Message)
    }

    pub(super) fn list_messages(&self, channel: u64, query: &HashMap<String, String>) -> Answer {
        let channel = self.visible(channel)?;
        if !self.may(channel, Permission::ReadMessageHistory) {
            return Ok((200, json!([])));
        }
        let number = |name: &str| match query.get(name) {
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| Refusal::one(name, "is not a snowflake")),
            None => Ok(None),
        };
        let limit = number("limit")?.unwrap_or(50);
        if limit == 0 || limit > 100 {
            return Err(Refusal::one("limit", "int value should be between 1 and 100."));
        }
        let limit = usize::try_from(limit).unwrap_or(100);
        let shown = |id: &&u64| self.messages.get(id).is_some_and(|message| message.private_to.is_none());
        let ids = &channel.messages;
        let older = |than: u64, limit: usize| {
            let end = ids.partition_point(|id| *id < than);
            ids[..end].iter().rev().filter(shown).take(limit).copied().collect::<Vec<u64>>()
        };
        let newer = |than: u64, limit: usize| {
            let start = ids.partition_point(|id| *id <= than);
            let mut found: Vec<u64> = ids[start..].iter().filter(shown).take(limit).copied().collect();
            found.reverse();
            found
        };
        let found = match (number("before")?, number("after")?, number("around")?) {
            (Some(before), _, _) => older(before, limit),
            (_, Some(after), _) => newer(after, limit),
            (_, _, Some(around)) => [newer(around, limit / 2), older(around + 1, limit - limit / 2)].concat(),
            (None, None, None) => older(u64::MAX, limit),
        };
        let messages: Vec<Value> = found
            .iter()
            .filter_map(|id| Some(self.message_json(self.messages.get(id)?, self.grants_content)))
            .collect();
        Ok((200, messages.into()))
    }

    pub(super) fn get_message(&self, channel: u64, id: u64) -> Answer {
        let found = self.visible(channel)?;
        if !self.may(found, Permission::ReadMessageHistory) {
            return Err(Refusal::missing_access());
        }
        Ok((200, self.message_json(self.in_channel(channel, id)?, self.grants_content)))
    }

    pub(super) fn delete_message(&mut self, channel: u64, id: u64) -> Answer {
        let found = self.visible(channel)?;
        let may_delete = self.may(found, Permission::ManageMessages);
        if self.in_channel(channel, id)?.author != BOT && !may_delete {
            return Err(Refusal::missing_permissions());
        }
        self.erase(id);
        Ok((204, Value::Null))
    }

    pub(super) fn erase(&mut self, id: u64) {
        if let Some(message) = self.messages.remove(&id) {
            if let Some(channel) = self.channels.get_mut(&message.channel)
                && let Ok(at) = channel.messages.binary_search(&id)
            {
                channel.messages.remove(at);
            }
            self.dispatch_deletion(&message);
        }
    }

    pub(super) fn react(&mut self, channel: u64, id: u64, emoji: &str, is_there: bool) -> Answer {
        let found = self.visible(channel)?;
        // Who sets a sign that nobody has set adds one ("Create Reaction").
        let may_react = self.may(found, Permission::AddReactions) && self.may(found, Permission::ReadMessageHistory);
        if is_there && !may_react {
            return Err(Refusal::missing_permissions());
        }
        self.in_channel(channel, id)?;
        if let Some(message) = self.messages.get_mut(&id) {
            message.reactions.retain(|other| other != emoji);
            if is_there {
                message.reactions.push(emoji.to_owned());
            }
        }
        Ok((204, Value::Null))
    }

    fn in_channel(&self, channel: u64, id: u64) -> Result<&Message, Refusal> {
        let found = self.messages.get(&id).filter(|found| found.channel == channel && found.private_to.is_none());
        found.ok_or_else(Refusal::unknown_message)
    }

    fn check_may_post(&self, channel: u64, body: &Body) -> Result<(), Refusal> {
        let channel = self.visible(channel)?;
        let send = match channel.kind {
            ChannelKind::Thread | ChannelKind::AnnouncementThread => Permission::SendMessagesInThreads,
            ChannelKind::Text | ChannelKind::Announcements | ChannelKind::Voice | ChannelKind::Direct => {
                Permission::SendMessages
            }
        };
        let has = |field: &str| body.json[field].as_array().is_some_and(|list| !list.is_empty());
        let is_allowed = self.may(channel, send)
            && (!has("embeds") || self.may(channel, Permission::EmbedLinks))
            && (body.files.is_empty() || self.may(channel, Permission::AttachFiles));
        if !is_allowed {
            return Err(Refusal::missing_permissions());
        }
        if channel.locked && !self.may(channel, Permission::ManageThreads) {
            return Err(Refusal::thread_locked());
        }
        let replies = snowflake(&body.json["message_reference"]["message_id"]).is_some();
        if replies && !self.may(channel, Permission::ReadMessageHistory) {
            return Err(Refusal::no_reply_without_history());
        }
        Ok(())
    }

    /// Keeps the files of a call. An edit that lists attachments keeps those alone.
    fn attach(&mut self, message: &mut Message, body: &Body) -> Result<(), Refusal> {
        let listed = body.json["attachments"].as_array();
        if let Some(listed) = listed {
            message.attachments.retain(|id| listed.iter().any(|item| snowflake(&item["id"]) == Some(*id)));
            for (index, item) in listed.iter().enumerate() {
                let id = snowflake(&item["id"]).unwrap_or_default();
                let is_there = message.attachments.contains(&id) || body.files.iter().any(|(number, _)| *number == id);
                if !is_there {
                    return Err(Refusal::one(&format!("attachments[{index}]"), "there is no such file"));
                }
            }
        }
        for (number, file) in &body.files {
            let mut file = file.clone();
            let item = listed.into_iter().flatten().find(|item| snowflake(&item["id"]) == Some(*number));
            if let Some(name) = item.and_then(|item| item["filename"].as_str()) {
                name.clone_into(&mut file.name);
            }
            let id = self.ids.next();
            self.files.insert(id, file);
            message.attachments.push(id);
        }
        if message.attachments.len() > 10 {
            Err(Refusal::one("attachments", "Must be 10 or fewer in length."))
        } else {
            Ok(())
        }
    }
}

/// What a body says that Discord does not take, beyond its published description.
pub(super) fn check(body: &Body) -> Vec<(String, String)> {
    form::check_message(&body.json)
}
