//! What threads follow, and what they are owed.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    board::{event, id::TaskId, policy::Policy},
    command::value::{Assignee, Tenant, event_kind, interval},
};

#[derive(Clone, Debug, PartialEq, Args)]
pub struct NotifyList {
    /// The task
    #[arg(value_name = "ID")]
    pub task: Option<TaskId>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Watch {
    /// The task; none means the whole board
    #[arg(value_name = "ID")]
    pub task: Option<TaskId>,
    /// Only tasks of this profile
    #[arg(long, value_name = "PROFILE")]
    pub assignee: Option<Assignee>,
    /// Only tasks of this tenant
    #[arg(long)]
    pub tenant: Option<Tenant>,
    /// How much is told here; `decisions` where none is given
    #[arg(long)]
    pub policy: Option<WatchPolicy>,
    /// Only events of these kinds, as in `completed,blocked`
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = event_kind)]
    pub kinds: Vec<event::Kind>,
    /// The time between two looks, on the command line
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Unwatch {
    /// The task; none means the board
    #[arg(value_name = "ID")]
    pub task: Option<TaskId>,
    /// Only what follows the tasks of this profile
    #[arg(long, value_name = "PROFILE", conflicts_with = "task")]
    pub assignee: Option<Assignee>,
    /// Only what follows the tasks of this tenant
    #[arg(long, conflicts_with = "task")]
    pub tenant: Option<Tenant>,
}

/// The board as a message; there is nothing to say about it.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct ShowBoard {}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct NotifySubscribe {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    #[command(flatten)]
    pub follower: Follower,
    /// The person for whom it is
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
    /// The profile that notifies
    #[arg(long, value_name = "PROFILE")]
    pub notifier_profile: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct NotifyUnsubscribe {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    #[command(flatten)]
    pub follower: Follower,
}

/// A thread, named from outside.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Follower {
    /// The platform, as in `telegram`
    #[arg(long, required = true)]
    pub platform: String,
    /// The channel or chat
    #[arg(long, value_name = "ID", required = true)]
    pub chat_id: String,
    /// The thread of the channel
    #[arg(long, value_name = "ID")]
    pub thread_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Outbox {
    /// `list` where none is given.
    #[command(subcommand)]
    pub verb: Option<OutboxVerb>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum OutboxVerb {
    /// List the posts that have not arrived, and why
    #[command(visible_alias = "ls")]
    List(OutboxList),
    /// Try posts again now, in parked threads too
    Retry(OutboxRetry),
    /// Give up the posts that were refused for good, or one that waits
    Purge(OutboxPurge),
}

#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct OutboxList {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct OutboxRetry {
    /// Only this post, by its number in `outbox list`
    #[arg(value_name = "NUMBER")]
    pub number: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct OutboxPurge {
    /// Only this post, by its number in `outbox list`
    #[arg(value_name = "NUMBER")]
    pub number: Option<u32>,
}

/// How much a thread is told of what it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WatchPolicy {
    /// Everything but signs of life
    All,
    /// What needs a person, what goes wrong or waits, and how it ends
    Changes,
    /// What needs a person, and how it ends
    Decisions,
    /// How it ends
    Final,
    /// Nothing; the card alone moves
    Silent,
}

impl WatchPolicy {
    pub fn policy(self) -> Policy {
        match self {
            Self::All => Policy::All,
            Self::Changes => Policy::Changes,
            Self::Decisions => Policy::Decisions,
            Self::Final => Policy::Final,
            Self::Silent => Policy::Silent,
        }
    }
}
