//! Running the gateway, and what is to be seen of it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::joined;
use crate::{
    board::id::ProfileName,
    command::value::{Prose, positive},
};

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
pub struct Metrics {}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Shim {
    /// The run's directory
    #[arg(value_name = "RUNDIR")]
    pub run: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConsoleForm {
    Json,
    Text,
    Off,
}
