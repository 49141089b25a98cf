//! Recipes: profiles that need no settings, because the program is known.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use config::{FileFormat, Format, Map, Value};

use super::{origin::RECIPE, section::table_of};

/// The recipes as the documentation prints them.
pub(super) const SOURCE: &str = include_str!("recipes.toml");

/// The profile that runs a task's body.
pub(super) const SCRIPT: &str = "script";

const AGENTS: [&str; 5] = ["claude", "codex", "gemini", "opencode", "hermes"];

/// An agent command line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The profile that it becomes.
    pub name: &'static str,
    pub program: PathBuf,
}

/// Looks for agent command lines in the folders of a `PATH`.
pub fn discover(path: &OsStr) -> Vec<Found> {
    // Relative folders are passed over: what they name changes with every workspace.
    let folders: Vec<_> = std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    AGENTS
        .into_iter()
        .filter_map(|name| {
            let program = folders.iter().map(|folder| folder.join(name)).find(|file| is_program(file))?;
            Some(Found { name, program })
        })
        .collect()
}

/// All recipes by profile name, as a layer of settings.
pub(super) fn recipes() -> Map<String, Value> {
    FileFormat::Toml.parse(Some(&RECIPE.to_owned()), SOURCE).expect("the recipes are well-formed, as a test shows")
}

/// A recipe as it stands below a profile's own settings: who names a command does not get another one's way of starting.
pub(super) fn below(recipe: &Value, has_command: bool) -> Map<String, Value> {
    let mut table = table_of(recipe).cloned().unwrap_or_default();
    if has_command {
        for key in ["command", "resume", "prompt"] {
            table.remove(key);
        }
    }
    table
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
