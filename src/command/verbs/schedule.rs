//! Commands that are run again and again.

use clap::{Args, Subcommand, ValueEnum};

use super::Aside;
use crate::{
    board::id::ScheduleId,
    command::value::Prose,
    recurrence::{CronRule, Zone},
};

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
