//! Messages as the server keeps them, and as calls and events show them.

use serde_json::{Value, json};

use super::{
    account::{BOT, GUILD},
    channel::ChannelKind,
    mention::Mentioned,
    read,
    snowflake::{iso, made_at},
    state::State,
};
use crate::server::Seen;

/// The reply is seen by one person alone.
pub(super) const EPHEMERAL: u64 = 1 << 6;
/// "kanban is thinking…"
pub(super) const LOADING: u64 = 1 << 7;
/// The message is made of components alone.
pub(super) const COMPONENTS_V2: u64 = 1 << 15;

/// The notice with which a thread on a message begins ("Message Types").
pub(super) const STARTER: u64 = 21;

#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) channel: u64,
    pub(super) author: u64,
    pub(super) kind: u64,
    pub(super) content: String,
    pub(super) embeds: Vec<Value>,
    pub(super) components: Vec<Value>,
    pub(super) attachments: Vec<u64>,
    pub(super) flags: u64,
    pub(super) reference: Option<u64>,
    pub(super) nonce: Option<Value>,
    pub(super) edited_at: Option<u64>,
    /// The texts that people saw before, as they read them.
    pub(super) earlier: Vec<String>,
    pub(super) private_to: Option<u64>,
    /// For the answers to interactions.
    pub(super) metadata: Option<Value>,
    /// Who is notified by it as it is now.
    pub(super) mentioned: Mentioned,
    /// Everybody who was ever notified by it.
    pub(super) pinged: Vec<String>,
    pub(super) has_thread: bool,
    pub(super) reactions: Vec<String>,
}

impl Message {
    pub(super) fn is_thinking(&self) -> bool {
        self.flags & LOADING != 0
    }
}

/// A file of a message.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) bytes: Vec<u8>,
}

impl State {
    /// The message as the answer to a call. `shows_content` is false where the bot may not read what it says.
    pub(super) fn message_json(&self, message: &Message, shows_content: bool) -> Value {
        let mut json = self.message_without_author(message, shows_content);
        json["author"] = self.user(message.author);
        json
    }

    fn message_without_author(&self, message: &Message, shows_content: bool) -> Value {
        let shows = shows_content || self.is_for_bot(message);
        let attachments: Vec<Value> =
            message.attachments.iter().filter(|_| shows).filter_map(|id| self.attachment_json(message, *id)).collect();
        let list = |list: &[Value]| if shows { list.to_vec() } else { Vec::new() };
        let mut json = json!({
            "id": message.id.to_string(), "channel_id": message.channel.to_string(),
            "content": if shows { message.content.as_str() } else { "" },
            "timestamp": iso(made_at(message.id)), "edited_timestamp": message.edited_at.map(iso), "tts": false,
            "mention_everyone": message.mentioned.everyone || message.mentioned.here,
            "mentions": message.mentioned.users.iter().map(|id| self.user(*id)).collect::<Vec<_>>(),
            "mention_roles": message.mentioned.roles.iter().map(u64::to_string).collect::<Vec<_>>(),
            "attachments": attachments, "embeds": list(&message.embeds), "components": list(&message.components),
            "pinned": false, "type": message.kind, "flags": message.flags,
        });
        if let Some(nonce) = &message.nonce {
            json["nonce"] = nonce.clone();
        }
        if let Some(replied) = message.reference {
            let place = self.messages.get(&replied).map_or(message.channel, |replied| replied.channel);
            json["message_reference"] = json!({
                "type": 0, "message_id": replied.to_string(), "channel_id": place.to_string(),
                "guild_id": GUILD.to_string(),
            });
            let replied = self.messages.get(&replied).filter(|replied| replied.reference.is_none());
            json["referenced_message"] =
                replied.map_or(Value::Null, |replied| self.message_json(replied, shows_content));
        }
        if let Some(metadata) = &message.metadata {
            json["webhook_id"] = BOT.to_string().into();
            json["application_id"] = BOT.to_string().into();
            json["interaction_metadata"] = metadata.clone();
        }
        if message.has_thread
            && let Some(thread) = self.channels.get(&message.id)
        {
            json["thread"] = self.channel_json(thread);
        }
        json
    }

    /// The message as an event carries it, as text: authors and members are written once and not for each of thousands.
    pub(super) fn message_event(&self, message: &Message, shows_content: bool) -> String {
        let mut json = self.message_without_author(message, shows_content);
        let kind = self.channels.get(&message.channel).map_or(ChannelKind::Direct, |channel| channel.kind);
        json["channel_type"] = kind.number().into();
        let is_direct = kind == ChannelKind::Direct;
        if !is_direct && let Some(mentions) = json["mentions"].as_array_mut() {
            for mention in mentions {
                mention["member"] = self.member();
            }
        }
        let mut text = json.to_string();
        text.truncate(text.len() - 1);
        text.push_str(",\"author\":");
        match self.user_texts.get(&message.author) {
            Some(author) => text.push_str(author),
            None => text.push_str(&self.user(message.author).to_string()),
        }
        if !is_direct {
            if self.roles_of.contains_key(&message.author) {
                let member = self.member_of(message.author);
                text.push_str(&format!(",\"guild_id\":\"{GUILD}\",\"member\":{member}"));
            } else {
                text.push_str(&format!(",\"guild_id\":\"{GUILD}\",\"member\":{}", self.member_text));
            }
        }
        text.push('}');
        text
    }

    /// Whether the bot may read the message without the intent for content (Gateway, "Message Content Intent").
    pub(super) fn is_for_bot(&self, message: &Message) -> bool {
        message.author == BOT
            || message.mentioned.users.contains(&BOT)
            || self.channels.get(&message.channel).is_some_and(super::channel::Channel::is_direct)
    }

    /// The message as people see it. None while it is not there yet ("kanban is thinking…"), and for the notice with which
    /// a thread begins: it shows what the channel shows.
    pub(super) fn seen(&self, message: &Message) -> Option<Seen> {
        if message.is_thinking() || message.kind == STARTER {
            return None;
        }
        let file = |id: &u64| {
            let file = self.files.get(id)?;
            Some((file.name.clone(), String::from_utf8_lossy(&file.bytes).into_owned()))
        };
        Some(Seen {
            id: message.id.to_string(),
            is_ours: message.author == BOT,
            text: read::message(self, message),
            buttons: read::buttons(&message.components).into_iter().map(|(label, _)| label).collect(),
            earlier: message.earlier.clone(),
            private_to: message.private_to.map(|person| self.name(person)),
            reply_to: message.reference.map(|id| id.to_string()),
            files: message.attachments.iter().filter_map(file).collect(),
            contents: message.attachments.iter().filter_map(|id| Some(self.files.get(id)?.bytes.clone())).collect(),
            pings: message.pinged.clone(),
        })
    }

    /// Takes note of everybody whom a message notifies now.
    pub(super) fn notify(&self, message: &mut Message) {
        let mentioned = &message.mentioned;
        let people = mentioned.users.iter().map(|id| self.name(*id));
        let roles = mentioned.roles.iter().map(|id| format!("role {id}"));
        let all = [(mentioned.everyone, "everyone"), (mentioned.here, "here")];
        let all = all.into_iter().filter(|(is_called, _)| *is_called).map(|(_, name)| name.to_owned());
        for name in people.chain(roles).chain(all) {
            if !message.pinged.contains(&name) {
                message.pinged.push(name);
            }
        }
    }

    fn attachment_json(&self, message: &Message, id: u64) -> Option<Value> {
        let file = self.files.get(&id)?;
        let name: String = file.name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("{}/attachments/{}/{id}/{name}?hm={}", self.base, message.channel, self.signature);
        Some(json!({
            "id": id.to_string(), "filename": file.name, "size": file.bytes.len(), "url": url, "proxy_url": url,
            "content_type": file.kind, "ephemeral": message.private_to.is_some(),
        }))
    }
}
