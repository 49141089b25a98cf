//! A channel or a direct conversation, with its messages and threads.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::slack::{clock, message::Message};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A public channel.
    Channel,
    /// A private channel.
    Group,
    /// A direct conversation of the bot with this person.
    Direct(String),
    /// A direct conversation of the bot with several people.
    Several(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) is_member: bool,
    pub(crate) is_archived: bool,
    pub(crate) created: u64,
    /// All messages in the order of their ids, deleted and private ones among them.
    pub(crate) messages: Vec<Message>,
    places: HashMap<String, usize>,
    /// The replies of each thread, by the id of the message that it hangs on.
    threads: HashMap<String, Vec<usize>>,
    /// Messages that are seen in the channel itself.
    top: Vec<usize>,
    last: u64,
}

impl Conversation {
    pub(crate) fn new(id: &str, name: &str, kind: Kind) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            kind,
            is_member: true,
            is_archived: false,
            created: clock::seconds(),
            messages: Vec::new(),
            places: HashMap::new(),
            threads: HashMap::new(),
            top: Vec::new(),
            last: 0,
        }
    }

    /// Stores a message under an id that no other of this conversation has, and answers it.
    pub(crate) fn add(&mut self, mut message: Message, now: u64) -> String {
        self.last = now.max(self.last + 1);
        let ts = clock::stamp(self.last);
        message.ts.clone_from(&ts);
        message.micros = self.last;
        let place = self.messages.len();
        self.places.insert(ts.clone(), place);
        match &message.thread_ts {
            Some(thread) => {
                self.threads.entry(thread.clone()).or_default().push(place);
                if message.is_broadcast {
                    self.top.push(place);
                }
            }
            None => self.top.push(place),
        }
        self.messages.push(message);
        ts
    }

    /// A message that is still there.
    pub(crate) fn message(&self, ts: &str) -> Option<&Message> {
        self.places.get(ts).and_then(|place| self.messages.get(*place)).filter(|message| !message.is_deleted)
    }

    pub(crate) fn message_mut(&mut self, ts: &str) -> Option<&mut Message> {
        let place = *self.places.get(ts)?;
        self.messages.get_mut(place).filter(|message| !message.is_deleted)
    }

    /// What people see in the channel, oldest first.
    pub(crate) fn top(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.top.iter().filter_map(|place| self.messages.get(*place)).filter(|message| !message.is_deleted)
    }

    /// The replies of a thread, oldest first.
    pub(crate) fn replies(&self, thread: &str) -> impl DoubleEndedIterator<Item = &Message> {
        let places = self.threads.get(thread).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.messages.get(*place)).filter(|message| !message.is_deleted)
    }

    /// Replies that everybody sees.
    pub(crate) fn public_replies(&self, thread: &str) -> impl DoubleEndedIterator<Item = &Message> {
        self.replies(thread).filter(|message| message.private_to.is_none())
    }

    /// `channel`, `group` or `im`, as message events name it.
    pub(crate) fn channel_type(&self) -> &'static str {
        match self.kind {
            Kind::Channel => "channel",
            Kind::Group => "group",
            Kind::Direct(_) => "im",
            Kind::Several(_) => "mpim",
        }
    }

    /// The scope by which its history may be read.
    pub(crate) fn history_scope(&self) -> &'static str {
        match self.kind {
            Kind::Channel => "channels:history",
            Kind::Group => "groups:history",
            Kind::Direct(_) => "im:history",
            Kind::Several(_) => "mpim:history",
        }
    }

    /// The scope by which its description may be read.
    pub(crate) fn read_scope(&self) -> &'static str {
        match self.kind {
            Kind::Channel => "channels:read",
            Kind::Group => "groups:read",
            Kind::Direct(_) => "im:read",
            Kind::Several(_) => "mpim:read",
        }
    }

    pub(crate) fn describe(&self) -> Value {
        let mut description = json!({
            "id": self.id,
            "created": self.created,
            "is_archived": self.is_archived,
            "is_im": matches!(self.kind, Kind::Direct(_)),
            "is_channel": self.kind == Kind::Channel,
            "is_group": self.kind == Kind::Group,
            "is_private": self.kind != Kind::Channel,
            "is_mpim": matches!(self.kind, Kind::Several(_)),
            "is_org_shared": false,
        });
        match &self.kind {
            Kind::Direct(user) => description["user"] = json!(user),
            Kind::Channel | Kind::Group | Kind::Several(_) => {
                description["name"] = json!(self.name);
                description["name_normalized"] = json!(self.name);
                description["is_member"] = json!(self.is_member);
                description["is_general"] = json!(false);
                description["is_shared"] = json!(false);
            }
        }
        description
    }
}
