//! The work on a task: taken, ended, held, and taken back.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{each_once, joined};
use crate::{
    board::{Amount, id::TaskId, question::Choice},
    command::value::{JsonObject, Phrase, Prose, choice, duration},
};

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Complete {
    /// The tasks; the words after them are the summary
    #[arg(value_name = "ID", required = true)]
    pub tasks: Vec<TaskId>,
    /// The outcome in a line
    #[arg(long, value_name = "TEXT")]
    pub result: Option<Phrase>,
    /// What was done, for people and for the tasks that wait
    #[arg(long, value_name = "TEXT")]
    pub summary: Option<Prose>,
    /// Facts for the tasks that wait, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub metadata: Option<JsonObject>,
    /// A file to hand over; repeatable
    #[arg(long, value_name = "FILE")]
    pub artifact: Vec<PathBuf>,
    /// A task that it has made; repeatable
    #[arg(long, value_name = "ID")]
    pub created: Vec<TaskId>,
    /// Cost since last report
    #[arg(long, value_name = "AMOUNT")]
    pub cost: Option<Amount>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Block {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The question, or the reason
    #[arg(value_name = "REASON", trailing_var_arg = true, allow_hyphen_values = true)]
    reason: Vec<Prose>,
    /// More tasks to block for the same reason
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub ids: Vec<TaskId>,
    /// What would help
    #[arg(long)]
    pub kind: Option<BlockKind>,
    /// A possible answer, as a button: `LABEL`, `LABEL|VALUE` or `LABEL|VALUE|STYLE`; repeatable
    #[arg(long, value_parser = choice)]
    pub choice: Vec<Choice>,
    /// What an answer in words should say
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<Phrase>,
    /// Cost since last report
    #[arg(long, value_name = "AMOUNT")]
    pub cost: Option<Amount>,
}

impl Block {
    /// The reason, its words joined by one space.
    pub fn reason(&self) -> Option<String> {
        (!self.reason.is_empty()).then(|| joined(&self.reason))
    }

    /// Every task to block, each once, in the order given.
    pub fn tasks(&self) -> Vec<TaskId> {
        each_once(std::slice::from_ref(&self.task), &self.ids)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Unblock {
    /// The tasks; the words after them are the reason
    #[arg(value_name = "ID", required_unless_present = "ids")]
    tasks: Vec<TaskId>,
    /// The answer, or the reason
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
    /// More tasks
    #[arg(long, value_name = "ID", num_args = 1..)]
    ids: Vec<TaskId>,
}

impl Unblock {
    /// Every task to release, each once, in the order given.
    pub fn tasks(&self) -> Vec<TaskId> {
        each_once(&self.tasks, &self.ids)
    }

    /// Every task as it was named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks.iter().chain(&self.ids)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Heartbeat {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// How far the work is
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Prose>,
    /// Cost since last report
    #[arg(long, value_name = "AMOUNT")]
    pub cost: Option<Amount>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Claim {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// How long the claim holds without a sign of life
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "900")]
    pub ttl: Duration,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Reclaim {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Retry {
    /// The tasks; the words after them are the reason
    #[arg(value_name = "ID", required = true)]
    pub tasks: Vec<TaskId>,
    /// What the next attempt should know
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Cancel {
    /// The task; the words after it are the reason
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum BlockKind {
    /// A person must answer
    NeedsInput,
    /// The worker lacks a right or a tool
    Capability,
    /// It may work later
    Transient,
    /// Another task must be done first
    Dependency,
}
