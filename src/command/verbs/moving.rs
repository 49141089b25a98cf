//! What goes from board to file and back.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
