//! Who may do what, and who did.

use clap::{Args, Subcommand};

use crate::{
    board::id::TaskId,
    command::value::positive,
    settings::{Role, Scope, Visitor},
};

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
