//! What the workspace holds: people, conversations, messages, views, files, and what is handed out for a while.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::slack::{
    clock,
    conversation::{Conversation, Kind},
    file::File,
    groups::Group,
    interaction::Failure,
    message::Message,
    random::Random,
    reader::{Reading, read},
    response_url::ResponseUrl,
    view::Views,
};

pub(crate) const TEAM_DOMAIN: &str = "fakes";
pub(crate) const APP: &str = "A0FAKE0001";
pub(crate) const BOT_ID: &str = "B0FAKE0001";
pub(crate) const BOT_USER: &str = "U0FAKEBOT1";
pub(crate) const BOT_NAME: &str = "kanban";
pub(crate) const VERIFICATION_TOKEN: &str = "fake-verification";

/// A member of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The right to open one view, for three seconds.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) user: String,
    pub(crate) made: Instant,
    pub(crate) is_used: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) team: String,
    pub(crate) users: HashMap<String, User>,
    user_ids: HashMap<String, String>,
    pub(crate) conversations: HashMap<String, Conversation>,
    channel_ids: HashMap<String, String>,
    /// Threads that tests named, by channel and name.
    pub(crate) named_threads: HashMap<(String, String), String>,
    /// User groups in the order in which they were made.
    pub(crate) groups: Vec<Group>,
    pub(crate) views: Views,
    pub(crate) triggers: HashMap<String, Trigger>,
    pub(crate) response_urls: HashMap<String, ResponseUrl>,
    pub(crate) files: HashMap<String, File>,
    pub(crate) scopes: BTreeSet<String>,
    /// Until when a bucket answers 429.
    pub(crate) closed: HashMap<String, Instant>,
    /// Calls left in buckets of published limits, and when that was so.
    pub(crate) allowances: HashMap<String, (f64, Instant)>,
    /// What people were told that had failed.
    pub(crate) failures: Vec<Failure>,
    pub(crate) is_history_denied: bool,
    pub(crate) is_token_revoked: bool,
    pub(crate) random: Random,
    made: u64,
}

impl State {
    pub(crate) fn new(team: &str, seed: u64, scopes: BTreeSet<String>) -> Self {
        let bot = User { id: BOT_USER.to_owned(), name: BOT_NAME.to_owned() };
        Self {
            team: team.to_owned(),
            user_ids: HashMap::from([(bot.name.clone(), bot.id.clone())]),
            users: HashMap::from([(bot.id.clone(), bot)]),
            conversations: HashMap::new(),
            channel_ids: HashMap::new(),
            named_threads: HashMap::new(),
            groups: Vec::new(),
            views: Views::default(),
            triggers: HashMap::new(),
            response_urls: HashMap::new(),
            files: HashMap::new(),
            scopes,
            closed: HashMap::new(),
            allowances: HashMap::new(),
            failures: Vec::new(),
            is_history_denied: false,
            is_token_revoked: false,
            random: Random::new(seed),
            made: 0,
        }
    }

    /// A new id in Slack's form: a letter and ten of `0-9A-Z`.
    pub(crate) fn make_id(&mut self, letter: char) -> String {
        self.made += 1;
        format!("{letter}0FK{:07}", self.made)
    }

    /// A secret part of a URL or token.
    pub(crate) fn make_secret(&mut self) -> String {
        format!("{:016x}{:016x}", self.random.next(), self.random.next())
    }

    /// The id of the person with this name, who joins at the first mention.
    pub(crate) fn user(&mut self, name: &str) -> String {
        if let Some(id) = self.user_ids.get(name) {
            return id.clone();
        }
        let id = self.make_id('U');
        self.user_ids.insert(name.to_owned(), id.clone());
        self.users.insert(id.clone(), User { id: id.clone(), name: name.to_owned() });
        id
    }

    pub(crate) fn find_user(&self, name: &str) -> Option<&str> {
        self.user_ids.get(name).map(String::as_str)
    }

    pub(crate) fn user_name(&self, id: &str) -> Option<&str> {
        self.users.get(id).map(|user| user.name.as_str())
    }

    /// The id of the public channel with this name, which has the bot in it from the beginning.
    pub(crate) fn channel(&mut self, name: &str) -> String {
        if let Some(id) = self.channel_ids.get(name) {
            return id.clone();
        }
        let id = self.make_id('C');
        self.channel_ids.insert(name.to_owned(), id.clone());
        self.conversations.insert(id.clone(), Conversation::new(&id, name, Kind::Channel));
        id
    }

    pub(crate) fn find_channel(&self, name: &str) -> Option<&str> {
        self.channel_ids.get(name).map(String::as_str)
    }

    /// The id of the direct conversation between the bot and a person.
    pub(crate) fn direct(&mut self, user: &str) -> String {
        let found = self.conversations.values().find(|conversation| conversation.kind == Kind::Direct(user.to_owned()));
        if let Some(conversation) = found {
            return conversation.id.clone();
        }
        let id = self.make_id('D');
        let conversation = Conversation::new(&id, "directmessage", Kind::Direct(user.to_owned()));
        self.conversations.insert(id.clone(), conversation);
        id
    }

    /// The id of the direct conversation between the bot and several people.
    pub(crate) fn group_direct(&mut self, users: &[String]) -> String {
        let kind = Kind::Several(users.to_vec());
        if let Some(conversation) = self.conversations.values().find(|conversation| conversation.kind == kind) {
            return conversation.id.clone();
        }
        let id = self.make_id('C');
        self.conversations.insert(id.clone(), Conversation::new(&id, "mpdm-several-1", kind));
        id
    }

    /// Where the user group with this name is, which is made at the first mention.
    pub(crate) fn group(&mut self, name: &str) -> usize {
        if let Some(place) = self.groups.iter().position(|group| group.name == name) {
            return place;
        }
        let id = self.make_id('S');
        self.groups.push(Group { id, name: name.to_owned(), users: BTreeSet::new(), is_disabled: false });
        self.groups.len() - 1
    }

    /// Stores a message, and answers its id.
    pub(crate) fn add(&mut self, channel: &str, mut message: Message) -> Option<String> {
        message.reading = self.reading(&message);
        let conversation = self.conversations.get_mut(channel)?;
        Some(conversation.add(message, clock::micros()))
    }

    /// Changes a message, and keeps the text that people saw before.
    pub(crate) fn change(&mut self, channel: &str, ts: &str, change: impl FnOnce(&mut Message)) -> Option<Message> {
        let mut message = self.conversations.get(channel)?.message(ts)?.clone();
        change(&mut message);
        let before = std::mem::take(&mut message.reading);
        message.reading = self.reading(&message);
        message.earlier.push(before.text);
        let place = self.conversations.get_mut(channel)?.message_mut(ts)?;
        *place = message.clone();
        Some(message)
    }

    /// A right to open a view for somebody who did something just now.
    pub(crate) fn trigger(&mut self, user: &str) -> String {
        self.made += 1;
        let id = format!("{}.{}.{}", 1_000_000_000_000 + self.made, 42, self.make_secret());
        let trigger = Trigger { user: user.to_owned(), made: Instant::now(), is_used: false };
        self.triggers.insert(id.clone(), trigger);
        id
    }

    /// The team as interactions name it.
    pub(crate) fn team_json(&self) -> Value {
        json!({ "id": self.team, "domain": TEAM_DOMAIN })
    }

    /// A person as interactions name one.
    pub(crate) fn user_json(&self, id: &str) -> Value {
        let name = self.user_name(id).unwrap_or(id);
        json!({ "id": id, "username": name, "name": name, "team_id": self.team })
    }

    fn reading(&self, message: &Message) -> Reading {
        read(message, &|id| self.user_name(id).map(str::to_owned), &|name| self.find_user(name).is_some())
    }
}
