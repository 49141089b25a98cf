//! Tasks: made, linked, written about, and moved by hand.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{each_once, joined};
use crate::{
    board::{
        Amount,
        budget::Bound,
        id::{ProfileName, TaskId},
    },
    command::value::{
        Assignee, JsonObject, Part, Phrase, Prose, Skill, Tenant, WorkspaceArg, branch, duration, instant, positive,
        row, total_cost, total_time,
    },
};

#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Create {
    /// What is to be done, in a few words
    #[arg(value_name = "TITLE", required = true)]
    pub(crate) title: Vec<String>,
    /// What the worker needs to know; in chat, the lines below the first one are added to it
    #[arg(long, value_name = "TEXT")]
    pub body: Option<Prose>,
    /// The profile that is to do it
    #[arg(long, value_name = "PROFILE")]
    pub assignee: Option<Assignee>,
    /// A task to wait for; repeatable
    #[arg(long, value_name = "ID")]
    pub parent: Vec<TaskId>,
    /// Start when so many of these are done
    #[arg(long, value_name = "N", value_parser = positive, requires = "parent")]
    pub quorum: Option<u32>,
    /// Then cancel the others
    #[arg(long, requires = "quorum")]
    pub cancel_rest: bool,
    /// Where to work: `scratch`, `dir:<path>`, `worktree` or `worktree:<path>`
    #[arg(long)]
    pub workspace: Option<WorkspaceArg>,
    /// The branch of a worktree
    #[arg(long, value_parser = branch)]
    pub branch: Option<String>,
    /// The project that it belongs to
    #[arg(long)]
    pub project: Option<String>,
    /// The tenant that it belongs to
    #[arg(long)]
    pub tenant: Option<Tenant>,
    /// Higher comes first, from -1000 to 1000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(-1000..=1000))]
    pub priority: Option<i64>,
    /// Leave it for a person to look at first
    #[arg(long)]
    pub triage: bool,
    /// The same key again answers the first task
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Stop a run after this time, as in `30m`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_runtime: Option<Duration>,
    /// Time limit for all attempts
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_total_runtime: Option<Duration>,
    /// Cost limit for all attempts
    #[arg(long, value_name = "AMOUNT")]
    pub max_cost: Option<Amount>,
    /// Its author, on the command line
    #[arg(long, value_name = "NAME")]
    pub created_by: Option<String>,
    /// A skill that the worker needs; repeatable
    #[arg(long)]
    pub skill: Vec<Skill>,
    /// Failed attempts allowed in all; 1 blocks at the first
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_retries: Option<u32>,
    /// Go on until the worker judges the goal reached
    #[arg(long)]
    pub goal: bool,
    /// How many turns a goal may take
    #[arg(long, value_name = "N", value_parser = positive)]
    pub goal_max_turns: Option<u32>,
    /// The status to begin with
    #[arg(long, value_name = "STATUS", conflicts_with = "triage")]
    pub initial_status: Option<InitialStatus>,
    /// Start no earlier, as in `2027-01-31T09:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<i64>,
    /// Start after this time, as in `2h`
    #[arg(long = "in", value_name = "TIME", value_parser = duration, conflicts_with = "at")]
    pub delay: Option<Duration>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
    /// What the answer says besides.
    #[arg(skip)]
    pub note: String,
}

impl Create {
    /// A task of this title, and nothing said beside it.
    pub fn titled(title: String) -> Self {
        Self { title: vec![title], ..Self::default() }
    }

    /// The title, its words joined by one space.
    pub fn title(&self) -> String {
        self.title.join(" ")
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Swarm {
    /// What is to be reached, in a few words
    #[arg(value_name = "GOAL", required = true)]
    goal: Vec<String>,
    /// What everybody needs to know; in chat, the lines below the first one are added to it
    #[arg(long, value_name = "TEXT")]
    pub body: Option<Prose>,
    /// A profile that works, with what it is to do where that is not the goal: `PROFILE` or `PROFILE:TITLE`; repeatable
    #[arg(long, value_name = "PROFILE:TITLE", required = true)]
    pub worker: Vec<Part>,
    /// The profile that checks what the workers did
    #[arg(long, value_name = "PROFILE")]
    pub verifier: Option<ProfileName>,
    /// The profile that makes one result of it
    #[arg(long, value_name = "PROFILE", required = true)]
    pub synthesizer: ProfileName,
    /// Go on when so many workers are done
    #[arg(long, value_name = "N", value_parser = positive)]
    pub quorum: Option<u32>,
    /// Then cancel the others
    #[arg(long, requires = "quorum")]
    pub cancel_rest: bool,
    /// Where everybody works: `dir:<path>`, `worktree` or `worktree:<path>`
    #[arg(long)]
    pub workspace: Option<WorkspaceArg>,
    /// The tenant that it belongs to
    #[arg(long)]
    pub tenant: Option<Tenant>,
    /// Higher comes first, from -1000 to 1000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(-1000..=1000))]
    pub priority: Option<i64>,
    /// A second swarm with the same key answers the first one
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Swarm {
    /// The goal, its words joined by one space.
    pub fn goal(&self) -> String {
        self.goal.join(" ")
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Specify {
    /// The task, in triage
    #[arg(value_name = "ID")]
    pub task: TaskId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Decompose {
    /// The task, in triage
    #[arg(value_name = "ID")]
    pub task: TaskId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Link {
    /// The task to wait for
    #[arg(value_name = "PARENT")]
    pub parent: TaskId,
    /// The task that waits
    #[arg(value_name = "CHILD")]
    pub child: TaskId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Unlink {
    /// The task that was waited for
    #[arg(value_name = "PARENT")]
    pub parent: TaskId,
    /// The task that waited
    #[arg(value_name = "CHILD")]
    pub child: TaskId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Comment {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// What to say
    #[arg(value_name = "TEXT", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    text: Vec<Prose>,
    /// Who is named as its author, on the command line
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Refuse a longer text than this
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_len: Option<u32>,
}

impl Comment {
    /// The text, its words joined by one space.
    pub fn text(&self) -> String {
        joined(&self.text)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Edit {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The new outcome
    #[arg(long, value_name = "TEXT", required = true)]
    pub result: Phrase,
    /// The new summary
    #[arg(long, value_name = "TEXT")]
    pub summary: Option<Prose>,
    /// The new facts, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub metadata: Option<JsonObject>,
}

/// Tasks that are put aside.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Aside {
    /// The tasks; the words after them are the reason
    #[arg(value_name = "ID", required_unless_present = "ids")]
    tasks: Vec<TaskId>,
    /// What they wait for
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
    /// More tasks
    #[arg(long, value_name = "ID", num_args = 1..)]
    ids: Vec<TaskId>,
    /// Release them at this time, as in `2027-01-31T09:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<i64>,
    /// Release them after this time, as in `2h`
    #[arg(long = "in", value_name = "TIME", value_parser = duration, conflicts_with = "at")]
    pub delay: Option<Duration>,
}

impl Aside {
    /// Every task to put aside, each once, in the order given.
    pub fn tasks(&self) -> Vec<TaskId> {
        each_once(&self.tasks, &self.ids)
    }

    /// Every task as it was named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks.iter().chain(&self.ids)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Promote {
    /// The tasks; the words after them are the reason
    #[arg(value_name = "ID", required_unless_present = "ids")]
    tasks: Vec<TaskId>,
    /// Why they need not wait
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
    /// More tasks
    #[arg(long, value_name = "ID", num_args = 1..)]
    ids: Vec<TaskId>,
    /// Even when tasks that they wait for are not done
    #[arg(long)]
    pub force: bool,
    /// Only tell what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Promote {
    /// Every task to make ready, each once, in the order given.
    pub fn tasks(&self) -> Vec<TaskId> {
        each_once(&self.tasks, &self.ids)
    }

    /// Every task as it was named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks.iter().chain(&self.ids)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Attach {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The file, on the command line; in chat it comes with the message
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// The media type, where it is not plain from the name
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// The name under which it is kept
    #[arg(long)]
    pub name: Option<String>,
    /// Who is named as having attached it, on the command line
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct AttachRm {
    /// The attachment's number
    #[arg(value_name = "N", value_parser = row)]
    pub attachment: i64,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Archive {
    /// The tasks
    #[arg(value_name = "ID", required_unless_present = "rm")]
    pub tasks: Vec<TaskId>,
    /// Delete these archived tasks for good
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "tasks")]
    pub rm: Vec<TaskId>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Assign {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The profile; `none` gives it to nobody
    #[arg(value_name = "PROFILE")]
    pub assignee: Assignee,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Reassign {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The profile; `none` gives it to nobody
    #[arg(value_name = "PROFILE")]
    pub assignee: Assignee,
    /// Take it back from its worker first
    #[arg(long)]
    pub reclaim: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Budget {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// How long workers may be at it over all attempts, as in `4h`; `none` leaves it to the profile
    #[arg(long, value_name = "TIME", value_parser = total_time)]
    pub max_total_runtime: Option<Bound<i64>>,
    /// What it may cost over all attempts; `none` leaves it to the profile
    #[arg(long, value_name = "AMOUNT", value_parser = total_cost)]
    pub max_cost: Option<Bound<Amount>>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl Budget {
    /// Whether it does more than look.
    pub fn changes_something(&self) -> bool {
        self.max_total_runtime.is_some() || self.max_cost.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InitialStatus {
    /// Begin as any other task
    Running,
    /// Wait until somebody releases it
    Blocked,
}
