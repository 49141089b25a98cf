//! The declaration of every verb. Command line, chat, menus, forms, help and documentation are derived from it.
//!
//! The group in which a variant stands is the capability that a person needs for it. The first line of a doc comment
//! is what menus show, at most 100 characters.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use kanban_platform::Capability;

use crate::{
    board::{
        Amount,
        budget::Bound,
        event,
        id::{BoardSlug, ProfileName, ScheduleId, TaskId},
        policy::Policy,
        question::{Choice, Road},
    },
    command::value::{
        Assignee, JsonObject, Limit, Part, Phrase, Pinnable, Prose, Skill, Tenant, WorkspaceArg, branch, choice,
        duration, event_kind, instant, interval, positive, row, total_cost, total_time,
    },
    recurrence::{CronRule, Zone},
    settings::{Role, Scope, Visitor},
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
pub struct Boards {
    /// `list` where none is given.
    #[command(subcommand)]
    pub verb: Option<BoardsVerb>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum BoardsVerb {
    #[command(flatten)]
    Read(BoardsRead),
    #[command(flatten)]
    Own(BoardsOwn),
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum BoardsRead {
    /// List the boards
    #[command(visible_alias = "ls")]
    List(BoardsList),
    /// Show the board in force here
    #[command(visible_alias = "current")]
    Show(BoardsShow),
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum BoardsOwn {
    /// Create a board
    #[command(visible_alias = "new")]
    Create(BoardsCreate),
    /// Give a board another title
    Rename(BoardsRename),
    /// Archive a board, or delete it for good
    #[command(visible_alias = "remove")]
    Rm(BoardsRm),
    /// Make a board the current one
    #[command(visible_alias = "use")]
    Switch(BoardsSwitch),
    /// Set the directory in which a board's tasks work, or clear it
    SetDefaultWorkdir(BoardsSetDefaultWorkdir),
    /// Hide a board from all but owners and those whom a grant names it to
    Private(BoardsPrivate),
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsList {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Archived boards too
    #[arg(long)]
    pub all: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsShow {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsCreate {
    /// The short name
    #[arg(value_name = "SLUG")]
    pub slug: BoardSlug,
    /// The title
    #[arg(long)]
    pub name: Option<Phrase>,
    /// What the board is for
    #[arg(long, value_name = "TEXT")]
    pub description: Option<Phrase>,
    /// A sign shown before the title
    #[arg(long)]
    pub icon: Option<String>,
    /// A colour, as `#rrggbb`
    #[arg(long)]
    pub color: Option<String>,
    /// Make it the current board
    #[arg(long)]
    pub switch: bool,
    /// The directory in which its tasks work
    #[arg(long, value_name = "DIR")]
    pub default_workdir: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsRename {
    /// The board
    #[arg(value_name = "SLUG")]
    pub slug: BoardSlug,
    /// The new title
    #[arg(value_name = "NAME", required = true)]
    name: Vec<String>,
}

impl BoardsRename {
    pub fn name(&self) -> String {
        self.name.join(" ")
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsRm {
    /// The board
    #[arg(value_name = "SLUG")]
    pub slug: BoardSlug,
    /// Delete it with all its tasks, for good
    #[arg(long)]
    pub delete: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsSwitch {
    /// The board
    #[arg(value_name = "SLUG")]
    pub slug: BoardSlug,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsSetDefaultWorkdir {
    /// The board
    #[arg(value_name = "SLUG")]
    pub slug: BoardSlug,
    /// The directory; none clears it
    #[arg(value_name = "DIR")]
    pub path: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Here {
    /// The directory in which new tasks work, as in `/srv/shop`; `off` ends what was set here
    #[arg(value_name = "DIR")]
    pub directory: Option<Pinnable>,
    /// The profile that new tasks are for; `none` for nobody
    #[arg(long, value_name = "PROFILE")]
    pub assignee: Option<Assignee>,
    /// The tenant that new tasks belong to
    #[arg(long)]
    pub tenant: Option<Tenant>,
    /// For the whole channel, from one of its threads
    #[arg(long)]
    pub channel: bool,
    /// For the whole server or workspace
    #[arg(long)]
    pub space: bool,
}

impl Here {
    /// Whether it does more than look. `--board` does too, and is not among the verb's own arguments.
    pub fn changes_something(&self) -> bool {
        self.directory.is_some() || self.assignee.is_some() || self.tenant.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct BoardsPrivate {
    /// The board
    #[arg(value_name = "SLUG")]
    pub slug: BoardSlug,
    /// Whether it is private
    #[arg(value_name = "on|off")]
    pub state: Switch,
}

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
pub struct RequestReview {
    /// The task; the words after it are the summary
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The outcome in a line
    #[arg(long, value_name = "TEXT")]
    pub result: Option<Phrase>,
    /// What was done, for whoever looks at it and for the tasks that wait
    #[arg(long, value_name = "TEXT")]
    pub summary: Option<Prose>,
    /// Facts for the tasks that wait, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub metadata: Option<JsonObject>,
    /// A file to hand over; repeatable
    #[arg(long, value_name = "FILE")]
    pub artifact: Vec<PathBuf>,
    /// The profile that is to look at it; `none` for a person
    #[arg(long, value_name = "PROFILE")]
    pub reviewer: Option<Assignee>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Approve {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// What there is to say of it
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<Prose>,
}

impl Approve {
    /// The words, joined by one space.
    pub fn words(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| joined(&self.words))
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct RequestChanges {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// What is to be changed
    #[arg(value_name = "WORDS", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<Prose>,
}

impl RequestChanges {
    /// The words, joined by one space.
    pub fn words(&self) -> String {
        joined(&self.words)
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
pub struct Answer {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The answer: one of the choices, or other words
    #[arg(value_name = "ANSWER", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<Prose>,
    /// What a button knows that nobody types.
    #[arg(skip)]
    pub by: AnswerBy,
}

/// How an answer came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerBy {
    pub road: Road,
    /// The question that is meant; the open one where there is none.
    pub question: Option<i64>,
    /// The choice that was pressed, by its place.
    pub choice: Option<usize>,
}

impl Answer {
    /// An answer that was not typed as a command.
    pub fn given(task: TaskId, words: &str, by: AnswerBy) -> Self {
        Self { task, words: vec![Prose(words.to_owned())], by }
    }

    /// The answer, its words joined by one space.
    pub fn words(&self) -> String {
        joined(&self.words)
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
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Schedule {
    /// Puts tasks aside where none is given.
    #[command(subcommand)]
    pub verb: Option<ScheduleVerb>,
    #[command(flatten)]
    pub aside: Aside,
}

impl Schedule {
    /// Whether it changes nothing.
    pub fn only_looks(&self) -> bool {
        matches!(self.verb, Some(ScheduleVerb::List(_) | ScheduleVerb::Show(_)))
    }
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

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum ScheduleVerb {
    /// Create a task again and again, by a cron rule: `schedule add "0 7 * * 1-5" -- create …`
    Add(ScheduleAdd),
    /// List the schedules of the board and when each fires next
    #[command(visible_alias = "ls")]
    List(ScheduleList),
    /// Show a schedule and what became of its latest times
    Show(ScheduleShow),
    /// Let a schedule fire no more until it is resumed
    Pause(SchedulePause),
    /// Let a paused schedule fire again, from now on
    Resume(ScheduleResume),
    /// Fire a schedule now, beside its times
    Run(ScheduleRun),
    /// Remove a schedule; the tasks that it has made stay
    #[command(visible_alias = "remove")]
    Rm(ScheduleRm),
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ScheduleAdd {
    /// Minute, hour, day of month, month and day of week, as in `0 7 * * 1-5`, or `@daily`
    #[arg(value_name = "RULE")]
    pub rule: CronRule,
    /// What is run, behind `--`: a `create` with all that belongs to it
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<Prose>,
    /// The time zone whose clocks are meant, as in `Europe/Berlin`; that of this machine where none is given
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<Zone>,
    /// What becomes of times that pass while no gateway runs
    #[arg(long, value_name = "POLICY", default_value = "once")]
    pub missed: MissedTimes,
    /// Fire also while the last task of it is not final
    #[arg(long)]
    pub overlap: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl ScheduleAdd {
    /// The words of the command; a single one is a text as typed in a chat.
    pub fn command(&self) -> Vec<String> {
        self.command.iter().map(|word| word.as_str().to_owned()).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MissedTimes {
    /// They are left out
    Skip,
    /// One firing stands for all of them
    Once,
    /// Each is made up for
    All,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ScheduleList {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ScheduleShow {
    /// The schedule, as in `s3`
    #[arg(value_name = "SCHEDULE")]
    pub id: ScheduleId,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct SchedulePause {
    /// The schedule, as in `s3`
    #[arg(value_name = "SCHEDULE")]
    pub id: ScheduleId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ScheduleResume {
    /// The schedule, as in `s3`
    #[arg(value_name = "SCHEDULE")]
    pub id: ScheduleId,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ScheduleRun {
    /// The schedule, as in `s3`
    #[arg(value_name = "SCHEDULE")]
    pub id: ScheduleId,
    /// Also while the last task of it is not final
    #[arg(long)]
    pub overlap: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ScheduleRm {
    /// The schedule, as in `s3`
    #[arg(value_name = "SCHEDULE")]
    pub id: ScheduleId,
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
pub struct Archive {
    /// The tasks
    #[arg(value_name = "ID", required_unless_present = "rm")]
    pub tasks: Vec<TaskId>,
    /// Delete these archived tasks for good
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "tasks")]
    pub rm: Vec<TaskId>,
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

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Cancel {
    /// The task; the words after it are the reason
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<Prose>,
}

#[derive(Clone, Debug, PartialEq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Dispatch {
    /// `now` where none is given.
    #[command(subcommand)]
    pub verb: Option<DispatchVerb>,
    #[command(flatten)]
    pub now: DispatchNow,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum DispatchVerb {
    /// Start workers for ready tasks now
    Now(DispatchNow),
    /// Start no worker until resumed
    Pause(DispatchPause),
    /// Start workers again
    Resume(DispatchResume),
    /// Tell whether a gateway runs and what it does
    Status(DispatchStatus),
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct DispatchNow {
    /// Only tell what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Start at most so many workers
    #[arg(long, value_name = "N")]
    pub max: Option<u32>,
    /// Block a task after so many failures in a row
    #[arg(long, value_name = "N", value_parser = positive)]
    pub failure_limit: Option<u32>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct DispatchPause {
    /// Only this profile
    #[arg(value_name = "PROFILE")]
    pub profile: Option<ProfileName>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct DispatchResume {
    /// Only this profile
    #[arg(value_name = "PROFILE")]
    pub profile: Option<ProfileName>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct DispatchStatus {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
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

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Threads {
    /// `on` or `off`; none shows what is in force
    #[arg(value_name = "on|off")]
    pub switch: Option<Switch>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Gc {
    /// Remove events of archived tasks that are older than this many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub event_retention_days: u32,
    /// Remove logs that are older than this many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub log_retention_days: u32,
    /// Only tell what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
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
pub enum Switch {
    On,
    Off,
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

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Settings {
    /// `show` where none is given.
    #[command(subcommand)]
    pub verb: Option<SettingsVerb>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum SettingsVerb {
    /// Show the settings in force and where each comes from
    Show(SettingsShow),
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct SettingsShow {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Pair {
    /// The code, in a chat; none prints a new one, on the command line of the host
    #[arg(value_name = "CODE")]
    pub code: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Access {
    /// `list` where none is given.
    #[command(subcommand)]
    pub verb: Option<AccessVerb>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum AccessVerb {
    /// List who has which role, where, and by whom
    #[command(visible_alias = "ls")]
    List(AccessList),
    /// Give somebody a role
    Grant(AccessGrant),
    /// Take a role back
    Revoke(AccessRevoke),
}

#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct AccessList {
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct AccessGrant {
    /// Who: `discord:123`, `discord:role/99`, `slack:group/S1`, `discord:channel/55`, or `discord:*` as a guest
    #[arg(value_name = "WHO")]
    pub who: Visitor,
    /// `guest`, `member`, `operator` or `owner`
    #[arg(value_name = "ROLE")]
    pub role: Role,
    #[command(flatten)]
    pub bounds: Bounds,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct AccessRevoke {
    /// Who has it
    #[arg(value_name = "WHO")]
    pub who: Visitor,
    #[command(flatten)]
    pub bounds: Bounds,
}

/// Where a grant holds.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Bounds {
    /// Only there: `platform=`, `space=`, `channel=`, `board=` or `tenant=`; repeatable
    #[arg(long = "in", value_name = "KEY=VALUE")]
    within: Vec<Scope>,
}

impl Bounds {
    /// All of them together.
    pub fn scope(&self) -> Scope {
        self.within.iter().fold(Scope::default(), Scope::within)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Audit {
    /// Only what was done to this task
    #[arg(long, value_name = "ID")]
    pub task: Option<TaskId>,
    /// Only what this person did, as in `discord:123`
    #[arg(long, value_name = "WHO")]
    pub person: Option<String>,
    /// How many entries, newest first
    #[arg(long, value_name = "N", value_parser = positive, default_value = "50")]
    pub limit: u32,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Init {
    /// Ask for what the options do not say, even where this is no terminal
    #[arg(long)]
    pub ask: bool,
    /// Set up Discord, with the bot's token in this file
    #[arg(long, value_name = "FILE")]
    pub discord_token_file: Option<PathBuf>,
    /// The Discord app's id, for the address of the invitation
    #[arg(long, value_name = "ID")]
    pub discord_app: Option<u64>,
    /// Set up Telegram, with the bot's token in this file
    #[arg(long, value_name = "FILE")]
    pub telegram_token_file: Option<PathBuf>,
    /// Set up Slack, with the bot's token in this file
    #[arg(long, value_name = "FILE")]
    pub slack_bot_token_file: Option<PathBuf>,
    /// The file with the Slack app's token, for websockets
    #[arg(long, value_name = "FILE", requires = "slack_bot_token_file", conflicts_with = "slack_signing_secret_file")]
    pub slack_app_token_file: Option<PathBuf>,
    /// The file with the Slack app's signing secret, where Slack calls this machine
    #[arg(long, value_name = "FILE", requires = "slack_bot_token_file")]
    pub slack_signing_secret_file: Option<PathBuf>,
    /// The public address at which Slack calls this machine, for the manifest
    #[arg(long, value_name = "URL", conflicts_with = "slack_app_token_file")]
    pub slack_url: Option<String>,
    /// Who decides, as in `telegram:123456789`; repeatable
    #[arg(long = "owner", value_name = "WHO")]
    pub owners: Vec<String>,
    /// Replace files that are there; the old ones are kept beside them
    #[arg(long)]
    pub force: bool,
}

impl Init {
    /// Whether any option says what the files are to hold.
    pub fn names_something(&self) -> bool {
        *self != Self { ask: self.ask, force: self.force, ..Self::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Up {
    /// What the console speaks
    #[arg(long, value_name = "FORM")]
    pub console: Option<ConsoleForm>,
    /// Stay up after the input ends and the work is done
    #[arg(long)]
    pub stay: bool,
    /// Take over from the gateway that runs, once everything is ready
    #[arg(long)]
    pub takeover: bool,
    /// Only say whether a gateway could start here, and why not
    #[arg(long)]
    pub check: bool,
    /// Show around: a task, a question, an answer and a result, on the current directory
    #[arg(long, conflicts_with = "check")]
    pub tour: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Say {
    /// The thread of the console
    #[arg(long, default_value = "main")]
    pub thread: String,
    /// The user of the console who speaks
    #[arg(long = "as", value_name = "USER", default_value = "you")]
    pub user: String,
    /// Make it a reply to this message
    #[arg(long, value_name = "N", conflicts_with = "press")]
    pub reply: Option<u64>,
    /// Press a button of this message; the text is its label
    #[arg(long, value_name = "N")]
    pub press: Option<u64>,
    /// Send this file along; repeatable
    #[arg(long, value_name = "PATH", conflicts_with_all = ["reply", "press"])]
    pub file: Vec<PathBuf>,
    /// Print the posts that it caused as JSON
    #[arg(long)]
    pub json: bool,
    /// The message
    #[arg(value_name = "TEXT", required_unless_present = "file", trailing_var_arg = true, allow_hyphen_values = true)]
    text: Vec<Prose>,
}

impl Say {
    /// The message, its words joined by one space.
    pub fn text(&self) -> String {
        joined(&self.text)
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Doctor {
    /// Look whether the bot can work in this channel too, as in `discord:123456789012345678`; repeatable
    #[arg(long = "channel", value_name = "ACCOUNT:CHANNEL")]
    pub channels: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Mcp {}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Skills {
    /// `list` where none is given.
    #[command(subcommand)]
    pub verb: Option<SkillsVerb>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum SkillsVerb {
    /// List the skills that come with the program
    #[command(visible_alias = "ls")]
    List(SkillsList),
    /// Print a skill
    Show(SkillsShow),
    /// Put the skills where agents look for them
    Install(SkillsInstall),
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct SkillsList {}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct SkillsShow {
    /// The skill, as in `kanban-worker`
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct SkillsInstall {
    /// For this agent; for those on `PATH` where none is given; repeatable
    #[arg(long = "for", value_name = "AGENT")]
    pub agents: Vec<Agents>,
    /// In this project instead of the user's own folder
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Replace files that somebody has changed
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Agents {
    Claude,
    Codex,
    Gemini,
    Opencode,
    Hermes,
    All,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Metrics {}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Man {
    /// The verb, as in `create` or `boards create`
    #[arg(value_name = "VERB")]
    pub verb: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Import {
    #[command(subcommand)]
    pub from: ImportFrom,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum ImportFrom {
    /// Bring in the boards of a Hermes home, or one board's file, and leave them as they are
    Hermes(ImportHermes),
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct ImportHermes {
    /// The home, as in `~/.hermes`, or the file of one board, `kanban.db`
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Only tell what would be brought in
    #[arg(long)]
    pub dry_run: bool,
    /// Take over what is newer there, where nothing was done about it here
    #[arg(long)]
    pub update: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Export {
    /// The form of the file
    #[arg(long)]
    pub format: ExportFormat,
    /// A new file; without one, JSON goes to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// All that the board holds, as one document
    Json,
    /// A board that Hermes opens, with the attached files beside it
    Hermes,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Backup {
    /// A new file; in `backups` of the home where none is named
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Restore {
    /// A file that `kanban backup` has written
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Shim {
    /// The run's directory
    #[arg(value_name = "RUNDIR")]
    pub run: PathBuf,
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
pub enum InitialStatus {
    /// Begin as any other task
    Running,
    /// Wait until somebody releases it
    Blocked,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConsoleForm {
    Json,
    Text,
    Off,
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
