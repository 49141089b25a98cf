//! What people do, and what they see.

use async_trait::async_trait;
use kanban_platform::Thread;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    DiscordServer,
    account::{BOT, TOKEN},
    channel::{Channel, ChannelKind},
    choose::Chosen,
    interaction::Kind,
    mention::{Mentioned, mentioned},
    message::{File, Message},
    read,
    state::State,
};
use crate::{
    server::{Seen, Server},
    wire::Wire,
};

#[async_trait]
impl Server for DiscordServer {
    fn kind(&self) -> &'static str {
        "discord"
    }

    fn settings(&self) -> String {
        format!("[platforms.discord]\ntoken = \"{TOKEN}\"\napi_base = \"{}\"\n", self.core.base)
    }

    fn person(&self, name: &str) -> String {
        format!("discord:{}", self.core.state().person(name))
    }

    fn channel(&self, name: &str) -> Thread {
        let mut state = self.core.state();
        let (id, is_new) = state.channel_named(name);
        if is_new {
            state.tell_of_channel(id);
        }
        place(&state, id)
    }

    fn thread(&self, channel: &str, name: &str) -> Thread {
        let mut state = self.core.state();
        let (parent, is_new) = state.channel_named(channel);
        if is_new {
            state.tell_of_channel(parent);
        }
        if let Some(id) = state.channels_by_name.get(&(parent, name.to_owned())).copied() {
            return place(&state, id);
        }
        let owner = super::account::OWNER;
        let id = state.add_channel(ChannelKind::Thread, name, Some(parent), owner);
        state.tell_of_thread(id, &json!({}));
        place(&state, id)
    }

    async fn connected(&self) {
        let is_connected = || self.connections().checked_sub(1);
        self.core.wire.wait_until("the bot to be connected to the gateway", is_connected).await;
    }

    async fn says(&self, name: &str, place: &Thread, text: &str) -> String {
        let id = self.writes(name, place, text, None);
        self.deliver(&id);
        id
    }

    async fn mentions(&self, name: &str, place: &Thread, text: &str) -> String {
        self.says(name, place, &format!("<@{BOT}> {text}")).await
    }

    async fn replies(&self, name: &str, place: &Thread, message: &str, text: &str) -> String {
        let id = self.writes(name, place, text, Some(message));
        self.deliver(&id);
        id
    }

    async fn sends(&self, name: &str, place: &Thread, words: &str, files: &[(&str, &[u8])]) -> String {
        let text = if words.is_empty() { String::new() } else { format!("<@{BOT}> {words}") };
        let id = self.writes(name, place, &text, None);
        self.attaches(&id, files);
        self.deliver(&id);
        id
    }

    async fn edits(&self, name: &str, place: &Thread, message: &str, text: &str) {
        let mut state = self.core.state();
        let channel = state.channel_of(place);
        let author = state.person(name);
        let found = message.parse().ok().and_then(|id: u64| state.messages.get(&id)).cloned();
        let found = found.filter(|found| Some(found.channel) == channel && found.author == author);
        let mut found = found.unwrap_or_else(|| panic!("{name} has no message {message} there"));
        let before = read::message(&state, &found);
        found.earlier.push(before);
        text.clone_into(&mut found.content);
        found.edited_at = Some(state.ids.now());
        let replied = found.reference.and_then(|id| state.messages.get(&id)).map(|replied| replied.author);
        found.mentioned = called(text, replied);
        state.dispatch_message("MESSAGE_UPDATE", &found);
        state.messages.insert(found.id, found);
        drop(state);
        self.core.wire.changed();
    }

    async fn commands(&self, name: &str, place: &Thread, verb: &[&str], fields: &[(&str, &str)]) {
        self.wait_for_commands().await;
        let mut state = self.core.state();
        let channel = known(&state, place);
        let is_direct = state.channels.get(&channel).is_some_and(Channel::is_direct);
        let chosen = Chosen::find(&state.commands, verb, is_direct);
        let chosen = chosen.unwrap_or_else(|| panic!("no command {verb:?} is registered"));
        let data = chosen.fill(&state, fields).unwrap_or_else(|refusal| panic!("/{verb:?} cannot be sent: {refusal}"));
        let user = state.person(name);
        state.interact(Kind::Command, user, channel, data, None);
        drop(state);
        self.core.wire.changed();
    }

    async fn presses(&self, name: &str, place: &Thread, message: &str, label: &str) {
        self.press(name, place, message, label);
    }

    async fn fills(&self, name: &str, place: &Thread, message: &str, label: &str, words: &str) {
        let press = self.press(name, place, message, label);
        self.fill(press, words).await;
    }

    fn joins(&self, name: &str, group: &str) -> Option<String> {
        let mut state = self.core.state();
        let (person, role) = (state.person(name), state.role(group));
        let roles = state.roles_of.entry(person).or_default();
        if !roles.contains(&role) {
            roles.push(role);
        }
        Some(format!("discord:role/{role}"))
    }

    fn opened(&self, channel: &Thread) -> Vec<Thread> {
        let state = self.core.state();
        let parent = state.channel_of(channel);
        let is_ours = |thread: &&Channel| thread.parent.is_some() && thread.parent == parent && thread.owner == BOT;
        let mut threads: Vec<&Channel> = state.channels.values().filter(is_ours).collect();
        threads.sort_by_key(|thread| thread.id);
        threads.into_iter().map(|thread| state.place(thread)).collect()
    }

    fn reactions(&self, _place: &Thread, message: &str) -> Vec<String> {
        Self::reactions(self, message)
    }

    async fn suggestions(
        &self,
        name: &str,
        place: &Thread,
        verb: &[&str],
        field: &str,
        typed: &str,
    ) -> Option<Vec<(String, String)>> {
        self.wait_for_commands().await;
        let id = {
            let mut state = self.core.state();
            let channel = known(&state, place);
            let is_direct = state.channels.get(&channel).is_some_and(Channel::is_direct);
            let chosen = Chosen::find(&state.commands, verb, is_direct);
            let chosen = chosen.unwrap_or_else(|| panic!("no command {verb:?} is registered"));
            let option = chosen.option(field).unwrap_or_else(|| panic!("{verb:?} has no option {field}"));
            if let Some(choices) = option["choices"].as_array().filter(|choices| !choices.is_empty()) {
                // The person's client picks among fixed choices without asking.
                let typed = typed.to_lowercase();
                let picked = choices.iter().map(pair).filter(|(_, label)| label.to_lowercase().contains(&typed));
                return Some(picked.collect());
            }
            if option["autocomplete"] != true {
                return None;
            }
            let data = chosen.typing(option, typed);
            let user = state.person(name);
            state.interact(Kind::Autocomplete, user, channel, data, None)
        };
        self.core.wire.changed();
        let answered = || self.core.state().interactions.get(&id)?.choices.clone();
        let waiting = self.core.wire.wait_until("suggestions", answered);
        match timeout(self.core.options.acknowledge_within, waiting).await {
            Ok(choices) => Some(choices.iter().map(pair).collect()),
            Err(_) => {
                self.core.wire.complain(format!("no suggestions for {verb:?} {field} in time"));
                Some(Vec::new())
            }
        }
    }

    fn seen(&self, place: &Thread) -> Vec<Seen> {
        let state = self.core.state();
        let channel = state.channel_of(place).and_then(|id| state.channels.get(&id));
        let messages = channel.into_iter().flat_map(|channel| &channel.messages);
        messages.filter_map(|id| state.seen(state.messages.get(id)?)).collect()
    }

    fn wire(&self) -> &Wire {
        &self.core.wire
    }
}

impl DiscordServer {
    /// A person's message is there, but the bot has not been told of it: see [`deliver`](Self::deliver).
    ///
    /// # Panics
    /// Where there is no such channel.
    pub fn writes(&self, name: &str, place: &Thread, text: &str, reply_to: Option<&str>) -> String {
        let mut state = self.core.state();
        let channel = known(&state, place);
        let author = state.person(name);
        let reference = reply_to.and_then(|id| id.parse::<u64>().ok());
        let replied = reference.and_then(|id| state.messages.get(&id)).map(|replied| replied.author);
        let id = state.ids.next();
        let message = Message {
            id,
            channel,
            author,
            kind: if reference.is_some() { 19 } else { 0 },
            content: text.to_owned(),
            reference,
            // People's clients number what they send.
            nonce: Some(id.to_string().into()),
            mentioned: called(text, replied),
            ..Message::default()
        };
        state.messages.insert(id, message);
        if let Some(channel) = state.channels.get_mut(&channel) {
            channel.archived = false;
            channel.messages.push(id);
        }
        id.to_string()
    }

    /// Puts files below a person's message of which the bot has not been told yet.
    pub fn attaches(&self, message: &str, files: &[(&str, &[u8])]) {
        let mut state = self.core.state();
        let mut ids = Vec::new();
        for (name, bytes) in files {
            let id = state.ids.next();
            let kind = "application/octet-stream".to_owned();
            state.files.insert(id, File { name: (*name).to_owned(), kind, bytes: bytes.to_vec() });
            ids.push(id);
        }
        if let Some(message) = message.parse().ok().and_then(|id: u64| state.messages.get_mut(&id)) {
            message.attachments.extend(ids);
        }
    }

    /// The addresses of all files that were handed out before are good no more, as they are after a day.
    pub fn expire_addresses(&self) {
        self.core.state().signature += 1;
    }

    /// Tells the bot of a person's message, for the first time or once more.
    pub fn deliver(&self, message: &str) {
        let mut state = self.core.state();
        let found = message.parse().ok().and_then(|id: u64| state.messages.get(&id)).cloned();
        if let Some(found) = found {
            state.dispatch_message("MESSAGE_CREATE", &found);
        }
        drop(state);
        self.core.wire.changed();
    }

    /// A person deletes a message of theirs, or a moderator anybody's.
    pub fn deletes(&self, message: &str) {
        if let Ok(id) = message.parse() {
            self.core.state().erase(id);
        }
        self.core.wire.changed();
    }

    /// A person uses a command from the menu of a message.
    ///
    /// # Panics
    /// Where no such command is registered, or there is no such message.
    pub async fn uses_on(&self, name: &str, place: &Thread, command: &str, message: &str) {
        self.wait_for_commands().await;
        let mut state = self.core.state();
        let channel = known(&state, place);
        let user = state.person(name);
        let registered = state.commands.iter().find(|it| it.kind() == 3 && it.name() == command);
        let registered = registered.unwrap_or_else(|| panic!("no message command {command} is registered"));
        let found = message.parse().ok().and_then(|id: u64| state.messages.get(&id));
        let found = found.unwrap_or_else(|| panic!("there is no message {message}"));
        let mut data = json!({
            "id": registered.id.to_string(), "name": command, "type": 3, "target_id": message,
            "resolved": { "messages": { message: state.message_json(found, true) } },
        });
        if let Some(guild) = registered.guild {
            data["guild_id"] = guild.to_string().into();
        }
        state.interact(Kind::Command, user, channel, data, None);
        drop(state);
        self.core.wire.changed();
    }

    /// Many messages of people at once, in the order given: name and text.
    pub fn says_many<'a>(&self, place: &Thread, messages: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let tell = |(name, text)| {
            let id = self.writes(name, place, text, None);
            self.deliver(&id);
            id
        };
        messages.into_iter().map(tell).collect()
    }

    /// A person presses a button of a message; answers the interaction.
    fn press(&self, name: &str, place: &Thread, message: &str, label: &str) -> u64 {
        let mut state = self.core.state();
        let user = state.person(name);
        let channel = known(&state, place);
        let found = message.parse().ok().and_then(|id: u64| state.messages.get(&id));
        let found = found.filter(|found| found.channel == channel && found.private_to.is_none_or(|only| only == user));
        let found = found.unwrap_or_else(|| panic!("{name} sees no message {message} there"));
        let id = found.id;
        let button = read::buttons(&found.components).into_iter().find(|(shown, _)| shown == label);
        let (_, button) = button.unwrap_or_else(|| panic!("the message has no button {label}"));
        assert!(button["disabled"] != true && button["custom_id"].is_string(), "the button {label} cannot be pressed");
        let data = json!({ "custom_id": button["custom_id"], "component_type": 2, "id": button["id"] });
        let press = state.interact(Kind::Component, user, channel, data, Some(id));
        drop(state);
        self.core.wire.changed();
        press
    }

    /// A channel where people talk, whose messages can have no threads.
    pub fn voice(&self, name: &str) -> Thread {
        self.channel_of_kind(name, ChannelKind::Voice)
    }

    /// A channel for announcements.
    pub fn announcements(&self, name: &str) -> Thread {
        self.channel_of_kind(name, ChannelKind::Announcements)
    }

    /// The names of those who were brought into a thread.
    pub fn members(&self, thread: &Thread) -> Vec<String> {
        let state = self.core.state();
        let channel = state.channel_of(thread).and_then(|id| state.channels.get(&id));
        channel.into_iter().flat_map(|channel| &channel.members).map(|id| state.name(*id)).collect()
    }

    /// The name of a thread or channel as people see it.
    pub fn name_of(&self, place: &Thread) -> Option<String> {
        let state = self.core.state();
        state.channel_of(place).and_then(|id| state.channels.get(&id)).map(|channel| channel.name.clone())
    }

    fn channel_of_kind(&self, name: &str, kind: ChannelKind) -> Thread {
        let mut state = self.core.state();
        let (id, is_new) = state.channel_of_kind(name, kind);
        if is_new {
            state.tell_of_channel(id);
        }
        place(&state, id)
    }

    async fn wait_for_commands(&self) {
        let any = || (!self.core.state().commands.is_empty()).then_some(());
        self.core.wire.wait_until("commands to be registered", any).await;
    }
}

/// Everybody whom a person's text calls; a reply calls whom it answers.
fn called(text: &str, replied: Option<u64>) -> Mentioned {
    let mut found = mentioned(text);
    found.users.extend(replied.filter(|replied| !found.users.contains(replied)).into_iter().collect::<Vec<_>>());
    found
}

fn known(state: &State, place: &Thread) -> u64 {
    let channel = state.channel_of(place).filter(|id| state.channels.contains_key(id));
    channel.unwrap_or_else(|| panic!("there is no channel {place}"))
}

fn place(state: &State, id: u64) -> Thread {
    match state.channels.get(&id) {
        Some(channel) => state.place(channel),
        None => crate::thread("discord", &id.to_string()),
    }
}

/// Value and label of a choice.
fn pair(choice: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    (text(&choice["value"]), text(&choice["name"]))
}
