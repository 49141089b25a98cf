//! The agents that talk in threads.

use clap::{Args, ValueEnum};

use super::Switch;
use crate::board::id::ProfileName;

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Threads {
    /// `on` or `off`; none shows what is in force
    #[arg(value_name = "on|off")]
    pub switch: Option<Switch>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Agent {
    /// Whether an agent answers every message here; what is in force is shown where nothing is said
    #[arg(value_name = "on|off")]
    pub state: Option<Switch>,
    /// The profile that answers
    #[arg(value_name = "PROFILE", requires = "state")]
    pub profile: Option<ProfileName>,
    /// What becomes of a message while the agent works on another
    #[arg(long)]
    pub policy: Option<Rule>,
    /// Begin a new session with the next message
    #[arg(long)]
    pub fresh: bool,
    /// Show what the agent wrote to its log in the last turn
    #[arg(long)]
    pub log: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// It waits for its turn
    Queue,
    /// The agent is stopped, and takes it next
    Interrupt,
    /// It is not taken in
    Refuse,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Stop {
    /// Drop the messages that wait, too
    #[arg(long)]
    pub all: bool,
}
