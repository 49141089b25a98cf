//! Who asks, and from where.

use std::{fmt, path::PathBuf};

use kanban_platform::{Author, Incoming, Thread};

use crate::{
    board::{Actor, BoardSlug, TaskId, pin::Pin},
    settings::{Role, Standing},
};

/// Made by whatever took the request in, never from what the request says.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    /// The person, as their platform names them; none for whoever is on no platform.
    pub author: Option<Author>,
    /// The highest role that is held in the place; once a command was let through, the role that lets it.
    pub role: Role,
    /// All that is held in the place.
    pub standing: Standing,
    pub road: Road,
    pub place: Place,
    /// What is in force where they speak.
    pub pin: Pin,
    /// They speak in a channel in which a task can have a thread of its own.
    pub is_channel: bool,
}

#[derive(Clone, Debug)]
pub enum Place {
    /// The command line of the local owner; relative paths are below this folder.
    Terminal { folder: PathBuf },
    /// A chat.
    Thread(Thread),
    /// A worker, through its shim, with its run's board and workspace.
    Worker { board: BoardSlug, workspace: PathBuf },
}

/// How a request came in. What may be done does not depend on it; the audit tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// A native command, already split.
    Slash,
    /// A message with a command.
    Text,
    Button,
    /// A press that brought words.
    Form,
    /// A message that replies to one of ours.
    Reply,
    /// A message in a thread that answers in itself.
    Thread,
    CommandLine,
    Worker,
    /// A schedule, for whoever made it.
    Schedule,
}

impl Road {
    pub fn name(self) -> &'static str {
        match self {
            Self::Slash => "slash",
            Self::Text => "text",
            Self::Button => "button",
            Self::Form => "form",
            Self::Reply => "reply",
            Self::Thread => "thread",
            Self::CommandLine => "command line",
            Self::Worker => "worker",
            Self::Schedule => "schedule",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal { .. } => f.write_str("terminal"),
            Self::Worker { board, .. } => write!(f, "worker on {board}"),
            Self::Thread(thread) if thread.space.is_empty() => thread.fmt(f),
            Self::Thread(thread) => write!(f, "{thread} in {}", thread.space),
        }
    }
}

impl Caller {
    /// Somebody with one role everywhere, in a place where nothing is in force.
    pub fn new(actor: Actor, role: Role, place: Place) -> Self {
        let road = match &place {
            Place::Terminal { .. } => Road::CommandLine,
            Place::Thread(_) => Road::Text,
            Place::Worker { .. } => Road::Worker,
        };
        Self {
            actor,
            author: None,
            role,
            standing: Standing::of(role),
            road,
            place,
            pin: Pin::default(),
            is_channel: false,
        }
    }

    /// The same on another road.
    pub fn by(&self, road: Road) -> Self {
        Self { road, ..self.clone() }
    }

    pub fn thread(&self) -> Option<&Thread> {
        match &self.place {
            Place::Thread(thread) => Some(thread),
            Place::Terminal { .. } | Place::Worker { .. } => None,
        }
    }

    /// Whether a task that is made where they speak gets a thread of its own.
    pub fn opens_threads(&self) -> bool {
        self.is_channel && self.pin.threads.as_ref().is_none_or(|threads| threads.value)
    }

    /// How hints name the program.
    pub fn prefix(&self) -> &'static str {
        match self.place {
            Place::Thread(_) => "/kanban",
            Place::Terminal { .. } | Place::Worker { .. } => "kanban",
        }
    }
}

/// One update of a platform, or one call of a worker: it has one effect, however often it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub platform: String,
    pub id: String,
    /// What the platform needs in order to answer in place.
    pub return_address: Option<String>,
    /// The message of a person that was meant for a task in a thread of its own: replies to it are meant for it too.
    pub message: Option<(String, TaskId)>,
    /// What was sent along.
    pub files: Vec<Incoming>,
}
