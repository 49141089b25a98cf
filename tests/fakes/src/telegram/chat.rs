//! A chat: a person's private one, a plain group, or a supergroup with or without topics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::{message::Message, people::People, refusal::Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Private,
    Group,
    Supergroup,
}

/// Why the bot may not write here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    Blocked,
    Kicked,
    Deleted,
    /// The group goes on as this supergroup.
    Migrated(i64),
}

#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) is_forum: bool,
    /// Whether the bot is an administrator here, who reads everything and may do everything.
    pub(crate) is_admin: bool,
    pub(crate) shut: Option<Shut>,
    pub(crate) topics: BTreeMap<i64, Topic>,
    messages: HashMap<i64, Message>,
    order: HashMap<Option<i64>, Vec<i64>>,
    last_message: i64,
}

/// A topic of a forum; its id is that of the note that tells of its birth.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) is_closed: bool,
}

impl Chat {
    pub(crate) fn new(id: i64, kind: Kind, title: &str) -> Self {
        Self {
            id,
            kind,
            title: title.to_owned(),
            is_forum: false,
            is_admin: false,
            shut: None,
            topics: BTreeMap::new(),
            messages: HashMap::new(),
            order: HashMap::new(),
            last_message: 0,
        }
    }

    /// Puts a message below the others of its place, and answers its id.
    pub(crate) fn add(&mut self, message: Message) -> i64 {
        self.last_message += 1;
        let id = self.last_message;
        self.order.entry(message.topic).or_default().push(id);
        self.messages.insert(id, Message { id, ..message });
        id
    }

    pub(crate) fn remove(&mut self, id: i64) -> Option<Message> {
        let message = self.messages.remove(&id)?;
        if let Some(order) = self.order.get_mut(&message.topic) {
            order.retain(|other| *other != id);
        }
        Some(message)
    }

    pub(crate) fn message(&self, id: i64) -> Option<&Message> {
        self.messages.get(&id)
    }

    pub(crate) fn message_mut(&mut self, id: i64) -> Option<&mut Message> {
        self.messages.get_mut(&id)
    }

    /// The messages of a topic, or those outside of all topics, oldest first.
    pub(crate) fn messages(&self, topic: Option<i64>) -> impl Iterator<Item = &Message> {
        let ids = self.order.get(&topic).into_iter().flatten();
        ids.filter_map(|id| self.messages.get(id))
    }

    /// The messages that reply to one, and those that reply to them, oldest first.
    pub(crate) fn chain(&self, root: i64) -> impl Iterator<Item = &Message> {
        let above = |id: &i64| self.messages.get(id).and_then(|message| message.reply_to);
        let is_below = move |id: &i64| std::iter::successors(above(id), above).any(|above| above == root);
        let mut ids: Vec<i64> = self.messages.keys().copied().filter(is_below).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.messages.get(&id))
    }

    /// The bot's messages outside of topics to which the bot itself replied, and which hang on no other such message:
    /// what it uses as threads where there are no topics. Oldest first.
    pub(crate) fn chains(&self) -> Vec<i64> {
        let ours = |id: i64| self.messages.get(&id).filter(|message| message.is_ours());
        let begins = |message: &Message| message.reply_to.filter(|above| message.is_ours() && ours(*above).is_some());
        let roots: BTreeSet<i64> = self.messages(None).filter_map(begins).collect();
        let above = |id: &i64| self.messages.get(id).and_then(|message| message.reply_to);
        let hangs = |id: &i64| std::iter::successors(above(id), above).any(|above| roots.contains(&above));
        roots.iter().copied().filter(|root| !hangs(root)).collect()
    }

    pub(crate) fn newest(&self) -> i64 {
        self.last_message
    }

    /// The messages that came after one, in no order.
    pub(crate) fn after(&self, id: i64) -> impl Iterator<Item = &Message> {
        self.messages.values().filter(move |message| message.id > id)
    }

    /// Whether a message opens the field for a reply on the screen of a person.
    pub(crate) fn asks(&self, message: &Message, person: i64) -> bool {
        let Some(markup) = message.markup.as_ref().filter(|markup| markup["force_reply"] == true) else { return false };
        let is_answered =
            message.reply_to.and_then(|id| self.message(id)).is_some_and(|above| above.author == Some(person));
        markup["selective"] != true || is_answered || message.names(person)
    }

    /// Every message, by place.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Option<i64>, impl Iterator<Item = &Message>)> {
        self.order.keys().map(|topic| (*topic, self.messages(*topic)))
    }

    /// Opens a topic, and answers its id.
    pub(crate) fn open_topic(&mut self, name: &str, author: Option<i64>, date: i64) -> i64 {
        let note = ("forum_topic_created", json!({"name": name, "icon_color": 7_322_096}));
        let id = self.last_message + 1;
        let message = Message { service: Some(note), ..Message::new(author, Some(id), date) };
        self.add(message);
        self.topics.insert(id, Topic { name: name.to_owned(), is_closed: false });
        id
    }

    /// The refusal that every send meets here, if any.
    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        match (self.shut, self.kind) {
            (None, _) => Ok(()),
            (Some(Shut::Blocked), _) => Err(Refusal::forbidden("bot was blocked by the user")),
            (Some(Shut::Kicked), Kind::Supergroup) => {
                Err(Refusal::forbidden("bot was kicked from the supergroup chat"))
            }
            (Some(Shut::Kicked), Kind::Private | Kind::Group) => {
                Err(Refusal::forbidden("bot was kicked from the group chat"))
            }
            (Some(Shut::Deleted), Kind::Private) => Err(Refusal::forbidden("user is deactivated")),
            (Some(Shut::Deleted), Kind::Group) => Err(Refusal::forbidden("the group chat was deleted")),
            (Some(Shut::Deleted), Kind::Supergroup) => Err(Refusal::chat_not_found()),
            (Some(Shut::Migrated(to)), _) => Err(Refusal::migrated(to)),
        }
    }

    /// The topic that a call means by `message_thread_id`.
    pub(crate) fn topic(&self, thread: Option<i64>) -> Result<Option<i64>, Refusal> {
        let Some(thread) = thread else { return Ok(None) };
        match self.topics.get(&thread) {
            Some(topic) if topic.is_closed && !self.is_admin => Err(Refusal::bad("TOPIC_CLOSED")),
            Some(_) => Ok(Some(thread)),
            None => Err(Refusal::bad("message thread not found")),
        }
    }

    /// The refusal that stands for a place which is gone.
    pub(crate) fn gone(&self) -> Refusal {
        match self.kind {
            Kind::Private => Refusal::forbidden("bot was blocked by the user"),
            Kind::Group => Refusal::forbidden("bot was kicked from the group chat"),
            Kind::Supergroup => Refusal::forbidden("bot was kicked from the supergroup chat"),
        }
    }

    /// The object `Chat`.
    pub(crate) fn json(&self, people: &People) -> Value {
        match self.kind {
            Kind::Private => people.private_chat(self.id),
            Kind::Group => json!({"id": self.id, "type": "group", "title": self.title}),
            Kind::Supergroup if self.is_forum => {
                json!({"id": self.id, "type": "supergroup", "title": self.title, "is_forum": true})
            }
            Kind::Supergroup => json!({"id": self.id, "type": "supergroup", "title": self.title}),
        }
    }

    /// The object `Message`, with the one that it replies to inside.
    pub(crate) fn message_json(&self, message: &Message, people: &People) -> Value {
        let chat = self.json(people);
        let mut json = message.json(&chat, people);
        // What is no reply in a topic bears the note of the topic's birth as if it replied to it.
        let above = message.reply_to.or(message.topic.filter(|_| message.service.is_none()));
        if let Some(above) = above.and_then(|id| self.messages.get(&id)) {
            json["reply_to_message"] = above.json(&chat, people);
        }
        json
    }

    /// The number that people's presses here have in common.
    pub(crate) fn instance(&self) -> String {
        self.id.wrapping_mul(0x5851_f42d_4c95_7f2d).to_string()
    }
}
