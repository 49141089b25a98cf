//! The declaration of every verb. Command line, chat, menus, forms, help and documentation are derived from it.
//!
//! The group in which a variant stands is the capability that a person needs for it. The first line of a doc comment
//! is what menus show, at most 100 characters.

mod access;
mod boards;
mod follow;
mod lane;
mod look;
mod moving;
mod question;
mod review;
mod run;
mod schedule;
mod setup;
mod task;
mod work;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use kanban_platform::Capability;

use crate::{
    board::id::{BoardSlug, TaskId},
    command::value::Prose,
};

pub use self::{
    access::*, boards::*, follow::*, lane::*, look::*, moving::*, question::*, review::*, run::*, schedule::*,
    setup::*, task::*, work::*,
};

/// The verbs that platforms' menus show, in order of use.
pub const MENU: &[&str] = &[
    "create", "list", "show", "comment", "complete", "block", "answer", "unblock", "assign", "retry", "cancel", "why",
    "log", "watch", "unwatch", "board", "here", "agent", "stop", "boards",
];

/// The verbs that have a command of their own where a menu has no room for `/kanban` before them: `/tasks` for
/// `/kanban list`.
pub const SHORTCUTS: &[(&str, &str)] =
    &[("tasks", "list"), ("task", "show"), ("new", "create"), ("answer", "answer"), ("here", "here"), ("stop", "stop")];

/// A board of tasks that workers do
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "kanban", disable_help_subcommand = true, disable_help_flag = true)]
pub struct Kanban {
    /// The board, where it is not the thread's or the current one
    #[arg(long, global = true, value_name = "BOARD")]
    pub board: Option<BoardSlug>,
    /// The directory that holds boards, settings and logs
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one value is made for each command, and is not kept")]
pub enum Verb {
    #[command(flatten)]
    Read(Read),
    #[command(flatten)]
    Write(Write),
    #[command(flatten)]
    Operate(Operate),
    #[command(flatten)]
    Own(Own),
    #[command(flatten)]
    Shell(Shell),
    #[command(flatten)]
    Internal(Internal),
}

impl Verb {
    /// What a person must be allowed in order to run this very call, which may be more than its verb's group says.
    pub fn capability(&self) -> Capability {
        match self {
            Self::Read(Read::Boards(Boards { verb: Some(BoardsVerb::Own(_)) })) => Capability::Own,
            Self::Read(Read::Here(here)) if here.changes_something() => Capability::Operate,
            Self::Read(_) => Capability::Read,
            Self::Write(Write::Archive(archive)) if !archive.rm.is_empty() => Capability::Own,
            Self::Write(Write::Schedule(schedule)) if schedule.only_looks() => Capability::Read,
            Self::Write(_) => Capability::Write,
            Self::Operate(_) => Capability::Operate,
            Self::Own(_) | Self::Shell(_) | Self::Internal(_) => Capability::Own,
        }
    }
}

/// Verbs that look at the board.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Read {
    /// List tasks, 50 at a time
    #[command(visible_alias = "ls")]
    List(List),
    /// Show a task with its comments, events and runs
    Show(Show),
    /// Show a task's latest events; on the command line, follow them
    Tail(Tail),
    /// Show who follows a task, or what this thread follows
    Watches(Watches),
    /// Print what a worker of the task is told
    Context(Context),
    /// List a task's runs
    Runs(Runs),
    /// Show what a task's worker printed, the newest part first
    Log(Log),
    /// Count tasks by status and by assignee
    Stats(Stats),
    /// List profiles and what each has to do
    Assignees(Assignees),
    /// List what is wrong on the board, and what to do about it
    #[command(visible_alias = "diag")]
    Diagnostics(Diagnostics),
    /// Say why a task does not move, and what would move it
    Why(Why),
    /// List the files of a task
    Attachments(Attachments),
    /// List who follows a task
    NotifyList(NotifyList),
    /// List, create and switch boards
    Boards(Boards),
    /// Show or set where new tasks of this place work, and for whom they are
    Here(Here),
}

/// Verbs that create and change tasks.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Write {
    /// Create a task
    Create(Create),
    /// Create workers beside one another, one who checks what they did, and one who makes one result of it
    Swarm(Swarm),
    /// Have the orchestrator write down what a task in triage is about before it starts
    Specify(Specify),
    /// Have the orchestrator split a task in triage into smaller ones
    Decompose(Decompose),
    /// Make one task wait for another
    Link(Link),
    /// Stop one task waiting for another
    Unlink(Unlink),
    /// Add a comment to a task
    Comment(Comment),
    /// Mark tasks as done
    Complete(Complete),
    /// Hand in the work of a task, so that somebody else looks at it
    RequestReview(RequestReview),
    /// Take work that was handed in, so that its task is done
    Approve(Approve),
    /// Send work back that was handed in, with what is to be changed
    RequestChanges(RequestChanges),
    /// Change the result of a task that is done
    Edit(Edit),
    /// Stop a task until somebody answers
    Block(Block),
    /// Answer the question of a task, so that it goes on
    Answer(Answer),
    /// Release blocked or scheduled tasks
    Unblock(Unblock),
    /// Put tasks aside until a time or a release, or create tasks again and again
    Schedule(Schedule),
    /// Make waiting tasks ready
    Promote(Promote),
    /// Follow a task, or the board, in this thread
    Watch(Watch),
    /// Stop following a task, or the board, in this thread
    Unwatch(Unwatch),
    /// Show the board in a message of this thread that keeps itself up to date
    #[command(name = "board")]
    ShowBoard(ShowBoard),
    /// Attach a file to a task
    Attach(Attach),
    /// Delete an attached file
    AttachRm(AttachRm),
    /// Let any thread follow a task
    NotifySubscribe(NotifySubscribe),
    /// Stop a thread following a task
    NotifyUnsubscribe(NotifyUnsubscribe),
    /// Put tasks out of sight
    Archive(Archive),
    /// Tell that a task's worker is alive
    Heartbeat(Heartbeat),
    /// Take a ready task to work on it by hand
    Claim(Claim),
    /// End what the agent of this thread works on
    Stop(Stop),
}

/// Verbs that steer workers and the dispatcher.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Operate {
    /// Give a task to a profile
    Assign(Assign),
    /// Give a task to another profile, even while it runs
    Reassign(Reassign),
    /// Take a running task back from its worker
    Reclaim(Reclaim),
    /// Try failed tasks again
    Retry(Retry),
    /// Stop a task and its worker
    Cancel(Cancel),
    /// Show or change how much time and money a task may use
    Budget(Budget),
    /// Start workers for ready tasks now, or pause and resume that
    Dispatch(Dispatch),
    /// Show posts that have not arrived, try them again, or give them up
    Outbox(Outbox),
    /// Say whether tasks made in this channel get threads of their own, or show it
    Threads(Threads),
    /// Remove old workspaces, events and logs
    Gc(Gc),
    /// Let an agent answer plain messages here, or show which one does
    Agent(Agent),
}

/// Verbs that decide over the installation.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Own {
    /// Show the settings in force and where each comes from
    Settings(Settings),
    /// Print a code that makes whoever sends it to the bot an owner
    Pair(Pair),
    /// List, give and take back roles
    Access(Access),
    /// Show who did what from where
    Audit(Audit),
}

/// Verbs of the command line alone.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Shell {
    /// Set up a home: settings, what each platform wants pasted, a unit for systemd, the default board
    Init(Init),
    /// Run the gateway: chats, dispatcher and board
    Up(Up),
    /// Send one message through the running gateway's console and print the reply
    Say(Say),
    /// Check the installation: boards, profiles, and what each chat platform lets the bot do
    Doctor(Doctor),
    /// Bring in the boards of another system
    Import(Import),
    /// Write a board as JSON, or as a file that Hermes opens
    Export(Export),
    /// Write all boards and their files into one archive
    Backup(Backup),
    /// Put a backup in the place of all boards
    Restore(Restore),
    /// Serve the board's tools to an agent, by the Model Context Protocol on standard input and output
    Mcp(Mcp),
    /// List and install what agents should know about the board
    Skills(Skills),
    /// Print figures of the boards and the gateway, as Prometheus reads them
    Metrics(Metrics),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print the manual page of the program, or of a verb
    Man(Man),
}

/// Verbs that the program itself calls.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Internal {
    /// Own one worker process
    #[command(hide = true)]
    Shim(Shim),
}

fn joined(words: &[Prose]) -> String {
    words.iter().map(Prose::as_str).collect::<Vec<_>>().join(" ")
}

fn each_once(first: &[TaskId], more: &[TaskId]) -> Vec<TaskId> {
    let mut tasks: Vec<TaskId> = Vec::with_capacity(first.len() + more.len());
    for task in first.iter().chain(more) {
        if !tasks.contains(task) {
            tasks.push(task.clone());
        }
    }
    tasks
}
