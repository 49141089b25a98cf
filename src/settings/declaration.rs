//! Every section of the settings, declared once. The page in `docs` and the check for unknown keys come from here.

use std::{
    num::{NonZeroU32, NonZeroU64},
    thread,
};

use super::{
    access::{AccessRoles, AccessSettings},
    choice::choice,
    platforms::{DiscordSettings, SlackSettings, TelegramSettings},
    profile::ProfileSettings,
    section::{Field, Section, section},
    value::{Bytes, Directory, Seconds},
};
use crate::board::ProfileName;

section! {
    /// When workers are started, and what becomes of those that fail.
    pub struct Dispatch {
        /// The most workers that run at once, over all boards and profiles.
        max_running: NonZeroU32 = cores() => "the number of processor cores, at least 2",
        /// The most workers of one profile that run at once.
        max_running_per_profile: Option<NonZeroU32> = None,
        /// The most workers of one board that run at once.
        max_running_per_board: Option<NonZeroU32> = None,
        /// Failed attempts in a row after which a task is blocked, when the task does not say.
        failure_limit: NonZeroU32 = count(2),
        /// The wait before the first retry; each further one is twice as long.
        backoff_seconds: Seconds = Seconds::new(10),
        /// The longest wait before a retry.
        backoff_max_seconds: Seconds = Seconds::new(600),
        /// How long a profile rests after a worker of it was rate limited, where the program has not said until when.
        rate_limit_pause_seconds: Seconds = Seconds::new(300),
        /// How long a profile rests after nobody was logged in to its program, unless `dispatch resume PROFILE` is said before.
        auth_pause_seconds: Seconds<1> = Seconds::new(86_400),
        /// Runs in a row that end well without `complete` or `block`, after which a task is blocked.
        protocol_violation_limit: NonZeroU32 = count(3),
        /// How long a claim by hand holds without a sign of life.
        claim_ttl_seconds: Seconds<1> = Seconds::new(900),
        /// The time between asking a worker to stop and killing it.
        grace_seconds: Seconds = Seconds::new(5),
        /// The most processes and threads that one worker may have at once. It holds where workers have a control group for it, or the gateway's account is not root.
        max_processes: NonZeroU32 = count(2_048),
        /// The most memory that the processes of one worker may have together, in bytes. It holds where workers have a control group for it.
        max_memory_bytes: Option<NonZeroU64> = None,
        /// The most bytes of what a worker is told of its task, however much there is.
        context_limit_bytes: Bytes<16_384, 1_048_576> = Bytes::new(65_536),
        /// Start nothing until this is taken back.
        paused: bool = false,
        /// The profile that ready tasks without an assignee are given to.
        default_assignee: Option<ProfileName> = None,
        /// The profile that `specify` and `decompose` hand tasks in triage to; nothing is handed to it by itself.
        orchestrator: Option<ProfileName> = None,
    }
}

section! {
    /// Which directories tasks may work in.
    pub struct Workspaces {
        /// Directories at or below which tasks may work. Without any, owners at this machine may use every directory but our home and secret places, and chat platforms none.
        roots: Vec<Directory> = Vec::new(),
    }
}

section! {
    /// What differs for a role: `NAME` is `guest`, `member`, `operator` or `owner`.
    pub struct RoleSettings {
        /// Directories for this role, in place of `workspaces.roots`.
        roots: Option<Vec<Directory>> = None,
    }
}

choice! {
    /// How a log line is written.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

choice! {
    /// How much is logged, least first.
    pub enum LogLevel {
        /// What needs an operator.
        Error = "error",
        /// What may need one.
        Warn = "warn",
        /// What happens.
        Info = "info",
        /// Why it happens.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

section! {
    /// The gateway's own log, on standard error, and the logs of runs. Read when the gateway starts.
    pub struct Logs {
        /// How a line is written.
        format: LogFormat = LogFormat::Text,
        /// How much is written.
        level: LogLevel = LogLevel::Info,
        /// The most that the log of one run keeps, in bytes: of a longer one the newest part stays.
        log_limit_bytes: NonZeroU64 = log_limit(),
    }
}

section! {
    /// How posts reach their threads.
    pub struct Delivery {
        /// How long a gateway that stops waits for posts that are under way; what is left is sent after the next start.
        drain_seconds: Seconds = Seconds::new(5),
    }
}

section! {
    /// Files in chats. Texts go in and out whatever is said here.
    pub struct Files {
        /// Whether files that people send along with commands and answers become attachments of their tasks.
        incoming: bool = true,
        /// Whether a thread is sent the files that its tasks bring; without it, they are named.
        outgoing: bool = true,
    }
}

section! {
    /// Backups that the gateway makes by itself, in `backups` of its home: all boards with their attached files.
    pub struct Backups {
        /// How often; 0 for never.
        every_seconds: Seconds = Seconds::new(0),
        /// How many of them stay.
        keep: NonZeroU32 = count(7),
    }
}

section! {
    /// Plain messages: what is said to the bot and is neither a command nor an answer.
    pub struct Chat {
        /// The profile that answers them where nothing else was said with `/kanban agent`.
        agent: Option<ProfileName> = None,
    }
}

/// Stands for a name that the settings choose, in a group's path.
pub(super) const NAME: &str = "NAME";

/// One table of the settings file.
pub(super) struct Group {
    pub(super) path: &'static [&'static str],
    pub(super) about: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

/// All tables, in the order of the documentation.
pub(super) fn groups() -> &'static [Group] {
    const GROUPS: &[Group] = &[
        group::<Dispatch>(&["dispatch"]),
        group::<Workspaces>(&["workspaces"]),
        group::<RoleSettings>(&["roles", NAME]),
        group::<AccessSettings>(&["access"]),
        group::<AccessRoles>(&["access", "roles"]),
        group::<Logs>(&["logs"]),
        group::<Delivery>(&["delivery"]),
        group::<Files>(&["files"]),
        group::<Backups>(&["backup"]),
        group::<Chat>(&["chat"]),
        group::<DiscordSettings>(&["platforms", "discord"]),
        group::<DiscordSettings>(&["platforms", "discord", NAME]),
        group::<TelegramSettings>(&["platforms", "telegram"]),
        group::<TelegramSettings>(&["platforms", "telegram", NAME]),
        group::<SlackSettings>(&["platforms", "slack"]),
        group::<SlackSettings>(&["platforms", "slack", NAME]),
        group::<ProfileSettings>(&["profiles", NAME]),
    ];
    GROUPS
}

const fn group<S: Section>(path: &'static [&'static str]) -> Group {
    Group { path, about: S::ABOUT, fields: S::FIELDS }
}

const fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a count of at least one")
}

const fn log_limit() -> NonZeroU64 {
    NonZeroU64::new(64 * 1024 * 1024).expect("a count of at least one")
}

fn cores() -> NonZeroU32 {
    let cores = thread::available_parallelism().ok().and_then(|cores| NonZeroU32::try_from(cores).ok());
    cores.map_or(count(2), |cores| cores.max(count(2)))
}
