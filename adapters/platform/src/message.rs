//! Requests that come in and posts that go out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place where people read: platform, space (guild, workspace or empty), channel, and a thread of the channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thread {
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The platform's id of the update: a second request with the same id has no second effect.
    pub update: String,
    pub author: Author,
    pub thread: Thread,
    pub input: Input,
    /// The platform's id of the message that this one replies to.
    pub reply_to: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A message as typed.
    Text(String),
    /// A native form, already split: the verb and its arguments.
    Words(Vec<String>),
    /// A press of a button on a message of ours.
    Press { message: String, label: String },
}

/// One message that a thread is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Unique over all boards and restarts: the key by which a repeat is known.
    pub delivery: String,
    pub thread: Thread,
    #[serde(flatten)]
    pub kind: PostKind,
    /// Plain text; the adapter renders it so that nothing in it acts as markup or mentions anybody.
    pub text: String,
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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PostKind {
    /// News for the thread.
    News,
    /// The answer to an update; `message` is the platform's id of the message that asked, where it has one.
    Reply { update: String },
    /// A new text for an earlier message.
    Edit { message: String },
}

/// A button below a post. Its meaning stays with the gateway, which knows the message and the label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
}
