//! Requests that come in and posts that go out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::body::{Block, plain};

/// A place where people read: platform, space (guild, workspace or empty), channel, and a thread of the channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thread {
    /// The name of the platform, as [`Platform::name`](crate::Platform::name) says it.
    pub platform: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    pub channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
}

impl fmt::Display for Thread {
    /// `platform:channel[:thread]`, the form that commands print and take.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.channel)?;
        match &self.thread {
            Some(thread) => write!(f, ":{thread}"),
            None => Ok(()),
        }
    }
}

/// A person, by the platform's stable id. The name is for people to read and decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The kind of platform, whichever account the person spoke to: `slack`.
    pub platform: String,
    pub id: String,
    pub name: String,
}

impl fmt::Display for Author {
    /// `platform:id (name)`, or `platform:id` where the name says nothing more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.id)?;
        if self.name.is_empty() || self.name == self.id { Ok(()) } else { write!(f, " ({})", self.name) }
    }
}

/// One thing that a person did on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The platform's id of the update: a second request with the same id has no second effect.
    pub update: String,
    pub author: Author,
    pub thread: Thread,
    pub input: Input,
    /// The platform's id of the message that this one replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The person speaks to us: in private, by a mention (which is not part of the text) or a native command.
    /// What does not and is no `/kanban` is for somebody else, unless it replies to a post of ours.
    pub addressed: bool,
    /// What the adapter needs in order to answer in place (a token, an address, a message), for itself alone to read:
    /// it comes back in [`PostKind::Reply`], also after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_address: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A message as typed, without the platform's markup.
    Text(String),
    /// A native form, already split: the verb and its arguments. [`Spec::words`](crate::Spec::words) makes them.
    Words(Vec<String>),
    /// A press of a button on a message of ours, by [`Button::key`] or by its label.
    Press { message: String, button: String },
}

/// Requests to be kept together, in the order of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub platform: String,
    pub requests: Vec<Request>,
    /// How far the platform has been read with them.
    pub position: Option<Position>,
}

/// A place in a stream of the platform: the offset of its updates, the last message of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub stream: String,
    pub value: String,
}

/// One message that a thread is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Unique over all boards and restarts: the key by which a repeat is known. At most 40 of `[0-9a-z.-]`.
    pub delivery: String,
    pub thread: Thread,
    #[serde(flatten)]
    pub kind: PostKind,
    pub body: Vec<Block>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// Only the person who asked should see it, where the platform can do that.
    #[serde(default)]
    pub private: bool,
    /// The task that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The kind of event that it tells of: `created`, `completed`, `blocked`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default)]
    pub urgency: Urgency,
}

impl Post {
    /// The body without any markup.
    pub fn text(&self) -> String {
        plain(&self.body)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PostKind {
    /// News for the thread.
    News,
    /// The answer to an update, with what [`Request::return_address`] held.
    Reply {
        update: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        return_address: Option<String>,
    },
    /// A new text for an earlier message.
    Edit { message: String },
}

/// What goes first where a platform's limits let only one go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Somebody waits for the answer.
    Reply,
    /// A task needs a person.
    Question,
    /// What became of a task.
    #[default]
    News,
    /// A message is brought up to date.
    Card,
}

/// A button below a post. Its meaning stays with the gateway, which knows the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// Comes back in [`Input::Press`]. At most 48 of `[0-9a-z.!-]`; good for as long as the post is known.
    #[serde(default)]
    pub key: String,
    pub label: String,
}
