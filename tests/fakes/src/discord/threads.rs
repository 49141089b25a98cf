//! Calls on channels and threads.

use serde_json::{Value, json};

use super::{
    account::{BOT, GUILD},
    channel::{Channel, ChannelKind, Permission},
    mention::snowflake,
    message::{Message, STARTER},
    messages::Answer,
    refusal::Refusal,
    session::GUILDS,
    state::State,
};

impl State {
    pub(super) fn get_channel(&self, id: u64) -> Answer {
        let channel = self.visible(id)?;
        Ok((200, self.channel_json(channel)))
    }

    /// A thread for a message, which has the message's id. It begins with a notice that shows the message.
    pub(super) fn thread_from(&mut self, channel: u64, message: u64, body: &Value) -> Answer {
        let kind = self.check_may_branch(channel)?;
        let found = self.messages.get(&message).filter(|found| found.channel == channel && found.private_to.is_none());
        let found = found.ok_or_else(Refusal::unknown_message)?;
        if found.has_thread {
            return Err(Refusal::thread_exists());
        }
        if let Some(found) = self.messages.get_mut(&message) {
            found.has_thread = true;
        }
        self.add_channel_with(message, kind, name_of(body), Some(channel), BOT);
        let json = self.tell_of_thread(message, body);
        let notice = Message {
            id: self.ids.next(),
            channel: message,
            author: BOT,
            kind: STARTER,
            reference: Some(message),
            ..Message::default()
        };
        self.publish(notice);
        Ok((201, json))
    }

    pub(super) fn thread_without(&mut self, channel: u64, body: &Value) -> Answer {
        let kind = self.check_may_branch(channel)?;
        let thread = self.add_channel(kind, name_of(body), Some(channel), BOT);
        Ok((201, self.tell_of_thread(thread, body)))
    }

    pub(super) fn tell_of_thread(&mut self, thread: u64, body: &Value) -> Value {
        if let Some(channel) = self.channels.get_mut(&thread) {
            channel.auto_archive = body["auto_archive_duration"].as_u64().unwrap_or(1440);
        }
        let json = self.channels.get(&thread).map_or(Value::Null, |thread| self.channel_json(thread));
        let mut event = json.clone();
        event["newly_created"] = true.into();
        self.dispatch_in("THREAD_CREATE", thread, &event);
        json
    }

    pub(super) fn edit_channel(&mut self, id: u64, body: &Value) -> Answer {
        let channel = self.visible(id)?;
        if !channel.kind.is_thread() {
            return Err(Refusal::missing_permissions());
        }
        // Whoever may write in a thread may open it again, as long as it is not locked.
        let opens = *body == json!({ "archived": false }) && !channel.locked;
        let may_open = opens && self.may(channel, Permission::SendMessagesInThreads);
        if channel.owner != BOT && !may_open && !self.may(channel, Permission::ManageThreads) {
            return Err(Refusal::missing_permissions());
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.archived = body["archived"].as_bool().unwrap_or(channel.archived);
            channel.locked = body["locked"].as_bool().unwrap_or(channel.locked);
            if let Some(name) = body["name"].as_str() {
                name.clone_into(&mut channel.name);
            }
        }
        let json = self.channels.get(&id).map_or(Value::Null, |channel| self.channel_json(channel));
        self.dispatch_in("THREAD_UPDATE", id, &json);
        Ok((200, json))
    }

    pub(super) fn guild_channels(&self, guild: u64) -> Answer {
        check_guild(guild)?;
        Ok((200, self.guild_places(false).into()))
    }

    pub(super) fn active_threads(&self, guild: u64) -> Answer {
        check_guild(guild)?;
        Ok((200, json!({ "threads": self.guild_places(true), "members": [], "has_more": false })))
    }

    pub(super) fn get_guild(&self, guild: u64) -> Answer {
        check_guild(guild)?;
        Ok((200, self.guild_summary()))
    }

    /// The direct messages with a person.
    pub(super) fn direct_channel(&mut self, body: &Value) -> Answer {
        let person = snowflake(&body["recipient_id"]).filter(|id| self.names.contains_key(id) && *id != BOT);
        let name = person.map(|id| format!("@{}", self.name(id)));
        let name = name.ok_or_else(|| Refusal::new(400, 50033, "Invalid Recipient(s)"))?;
        let (id, _) = self.channel_named(&name);
        self.get_channel(id)
    }

    /// A channel is deleted with all that is in it.
    pub(super) fn kill_channel(&mut self, id: u64) {
        let children: Vec<u64> =
            self.channels.values().filter(|channel| channel.parent == Some(id)).map(|channel| channel.id).collect();
        for child in children {
            self.kill_channel(child);
        }
        let Some(channel) = self.channels.get(&id) else { return };
        let json = self.channel_json(channel);
        let name = if channel.kind.is_thread() { "THREAD_DELETE" } else { "CHANNEL_DELETE" };
        self.dispatch_in(name, id, &json);
        self.channels.remove(&id);
        self.channels_by_name.retain(|_, channel| *channel != id);
    }

    /// A channel or thread that a person has made.
    pub(super) fn tell_of_channel(&mut self, id: u64) {
        let Some(channel) = self.channels.get(&id) else { return };
        if !channel.is_direct() && !channel.kind.is_thread() {
            let json = self.channel_json(channel);
            self.dispatch("CHANNEL_CREATE", GUILDS, &json);
        }
    }

    /// The channels of the guild, or its threads, as far as the bot sees them.
    pub(super) fn guild_places(&self, are_threads: bool) -> Vec<Value> {
        let is_one = |channel: &&Channel| !channel.is_direct() && channel.kind.is_thread() == are_threads;
        let mut found: Vec<&Channel> = self.channels.values().filter(is_one).collect();
        found.retain(|channel| self.may(channel, Permission::ViewChannel) && !channel.archived);
        found.sort_by_key(|channel| channel.id);
        found.into_iter().map(|channel| self.channel_json(channel)).collect()
    }

    /// Brings somebody into a thread, or takes them out of it ("Add Thread Member"). Without a person, the bot itself.
    pub(super) fn thread_member(&mut self, thread: u64, person: Option<u64>, is_in: bool) -> Answer {
        let channel = self.visible(thread)?;
        if !channel.kind.is_thread() {
            return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
        }
        if channel.archived {
            return Err(Refusal::thread_archived());
        }
        let may = if is_in { Permission::SendMessagesInThreads } else { Permission::ManageThreads };
        if person.is_some() && !self.may(channel, may) {
            return Err(Refusal::missing_permissions());
        }
        if person.is_some_and(|person| !self.names.contains_key(&person)) {
            return Err(Refusal::unknown_user());
        }
        if let (Some(person), Some(channel)) = (person, self.channels.get_mut(&thread)) {
            channel.members.retain(|member| *member != person);
            if is_in {
                channel.members.push(person);
            }
        }
        Ok((204, Value::Null))
    }

    /// A member of the guild.
    pub(super) fn guild_member(&self, guild: u64, person: u64) -> Answer {
        check_guild(guild)?;
        if !self.names.contains_key(&person) {
            return Err(Refusal::unknown_member());
        }
        let mut member = self.member_of(person);
        member["user"] = self.user(person);
        Ok((200, member))
    }

    /// What a thread of a channel is, where the bot may open one.
    fn check_may_branch(&self, channel: u64) -> Result<ChannelKind, Refusal> {
        let channel = self.visible(channel)?;
        let Some(kind) = channel.kind.branch() else {
            return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
        };
        if self.may(channel, Permission::CreatePublicThreads) { Ok(kind) } else { Err(Refusal::missing_permissions()) }
    }
}

/// What a thread's body says that Discord does not take, beyond its published description.
pub(super) fn mistakes(body: &Value) -> Vec<(String, String)> {
    let length = name_of(body).trim().chars().count();
    if (1..=100).contains(&length) {
        return Vec::new();
    }
    vec![("name".to_owned(), "Must be between 1 and 100 in length.".to_owned())]
}

fn check_guild(guild: u64) -> Result<(), Refusal> {
    if guild == GUILD { Ok(()) } else { Err(Refusal::unknown_guild()) }
}

fn name_of(body: &Value) -> &str {
    body["name"].as_str().unwrap_or_default()
}
