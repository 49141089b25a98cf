//! Requests that come in and posts that go out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    body::{Block, plain},
    file::Incoming,
};

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
    /// The platform's own groups that the person is in at the place of the request, as `role/ID` on Discord and
    /// `group/ID` on Slack, by their stable ids. Roles of ours may be given to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
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
    /// The platform's id of the message itself, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The platform's id of the message that this one replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The place is a channel in which tasks can have threads of their own, see [`Platform::open`](crate::Platform::open).
    #[serde(default)]
    pub is_channel: bool,
    /// The person speaks to us: in private, by a mention (which is not part of the text) or a native command.
    /// What does not and is no `/kanban` is for somebody else, unless it replies to a post of ours.
    pub addressed: bool,
    /// What the adapter needs in order to answer in place (a token, an address, a message), for itself alone to read:
    /// it comes back in [`PostKind::Reply`], also after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_address: Option<String>,
    /// What the person sent along. A text may be empty beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Incoming>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A message as typed, without the platform's markup.
    Text(String),
    /// A native form, already split: the verb and its arguments. [`Spec::words`](crate::Spec::words) makes them.
    Words(Vec<String>),
    /// A press of a button on a message of ours, by [`Button::key`] or by its label.
    ///
    /// A button that [asks for words](Button::asks_words) brings what was filled in; without words, the platform has no
    /// form, and the gateway asks in a message of its own (see [`Post::prompts`]).
    Press {
        message: String,
        button: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        words: Option<String>,
    },
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
    /// It asks the person whom it answers for a reply: a platform that can opens the field for it.
    #[serde(default)]
    pub prompts: bool,
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
    /// A new text for an earlier message, and the buttons below it as they are now.
    Edit { message: String },
    /// A sign below a person's message that it was taken in; the body is empty. Where a platform has no such sign or the
    /// bot may not set it, nothing is shown, and that is no failure.
    Reaction { message: String },
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
    /// A file: it takes long, and nothing waits for it.
    File,
}

/// A button below a post. Its meaning stays with the gateway, which knows the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// Comes back in [`Input::Press`]. At most 48 of `[0-9a-z.!-]`; good for as long as the post is known.
    #[serde(default)]
    pub key: String,
    pub label: String,
    #[serde(default)]
    pub style: Style,
}

impl Button {
    /// Whether a press of the button with this key asks for words first: on a platform with forms, a form of one field,
    /// with the button's label as its title. The key alone says so, since it is all that a press brings back.
    pub fn asks_words(key: &str) -> bool {
        key.ends_with('w')
    }
}

/// How much a button stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    #[default]
    Plain,
    Primary,
    Success,
    Danger,
}

/// A thread that a task is to have of its own, below a message of ours in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The channel.
    pub channel: Thread,
    /// The platform's id of our message there that tells of the task.
    pub message: String,
    /// The task's id.
    pub task: String,
    pub title: String,
    /// The stable id of the person who made the task, who is brought into the thread where that is needed.
    pub person: Option<String>,
    /// An earlier attempt may have opened it.
    pub is_in_doubt: bool,
}

/// Something that was said in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The name that people see.
    pub author: String,
    /// The stable id, as `platform:id`.
    pub person: String,
    /// It was our own message.
    pub is_ours: bool,
    pub text: String,
}
