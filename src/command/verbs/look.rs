//! What is looked up: lists, single tasks and what became of them.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::{
    board::id::TaskId,
    command::value::{Assignee, Limit, Tenant, interval, positive},
};

#[derive(Clone, Debug, PartialEq, Args)]
pub struct List {
    /// Only tasks of the profile that asks
    #[arg(long)]
    pub mine: bool,
    /// Only tasks of this profile; `none` for those of nobody
    #[arg(long, value_name = "PROFILE")]
    pub assignee: Option<Assignee>,
    /// Only tasks in this status
    #[arg(long)]
    pub status: Option<Status>,
    /// Only tasks of this tenant
    #[arg(long)]
    pub tenant: Option<Tenant>,
    /// Only tasks of this agent session
    #[arg(long)]
    pub session: Option<String>,
    /// Archived tasks too
    #[arg(long)]
    pub archived: bool,
    /// Answer as JSON, all rows
    #[arg(long)]
    pub json: bool,
    /// The order of the rows
    #[arg(long)]
    pub sort: Option<Sort>,
    /// Only tasks of this workflow
    #[arg(long, value_name = "ID")]
    pub workflow_template_id: Option<String>,
    /// Only tasks at this step of their workflow
    #[arg(long, value_name = "KEY")]
    pub step_key: Option<String>,
    /// How many rows, or `all`
    #[arg(long, value_name = "N|all")]
    pub limit: Option<Limit>,
    /// Start after this task, to see the next rows
    #[arg(long, value_name = "ID")]
    pub after: Option<TaskId>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Show {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub filter: RunFilter,
}

/// Which runs are shown; both or neither.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct RunFilter {
    /// What to select runs by
    #[arg(long, requires = "state_name")]
    pub state_type: Option<StateType>,
    /// The status or outcome of the runs to show
    #[arg(long, value_name = "VALUE", requires = "state_type")]
    pub state_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Tail {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The time between two looks, on the command line
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Watches {
    /// The task
    #[arg(value_name = "ID")]
    pub task: Option<TaskId>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Context {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Runs {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub filter: RunFilter,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Log {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Only the last bytes, as many as this
    #[arg(long, value_name = "BYTES", value_parser = positive)]
    pub tail: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Stats {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Assignees {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Diagnostics {
    /// Only findings of at least this weight
    #[arg(long)]
    pub severity: Option<Severity>,
    /// Only findings on this task
    #[arg(long, value_name = "ID")]
    pub task: Option<TaskId>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Why {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Attachments {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Status {
    Triage,
    Todo,
    Scheduled,
    Ready,
    Running,
    Blocked,
    Review,
    Done,
    Archived,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Created,
    CreatedDesc,
    Priority,
    PriorityDesc,
    Status,
    Assignee,
    Title,
    Updated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateType {
    Status,
    Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Severity {
    Warning,
    Error,
    Critical,
}
