//! Boards, and what is in force in a place.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    board::id::BoardSlug,
    command::value::{Assignee, Phrase, Pinnable, Tenant},
};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}
