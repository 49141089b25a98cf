//! Skills, completions and manual pages.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
pub struct Man {
    /// The verb, as in `create` or `boards create`
    #[arg(value_name = "VERB")]
    pub verb: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}
