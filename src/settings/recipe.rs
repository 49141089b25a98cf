//! Recipes: profiles that need no settings, because the program is known. Each is a file, `NAME.toml`: ours in the program,
//! and those of the home's owner in `profiles` of the home.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use config::{FileFormat, Format, Map, Value};

use super::{layers::without_source, origin::RECIPE, section::table_of};
use crate::board::ProfileName;

/// The recipes of the program by the names of their profiles, as their files have them.
pub(super) const SOURCES: [(&str, &str); 6] = [
    (SCRIPT, include_str!("../../profiles/script.toml")),
    ("claude", include_str!("../../profiles/claude.toml")),
    ("codex", include_str!("../../profiles/codex.toml")),
    ("gemini", include_str!("../../profiles/gemini.toml")),
    ("opencode", include_str!("../../profiles/opencode.toml")),
    ("hermes", include_str!("../../profiles/hermes.toml")),
];

/// The profile that runs a task's body.
pub(super) const SCRIPT: &str = "script";

const AGENTS: [&str; 5] = ["claude", "codex", "gemini", "opencode", "hermes"];

/// How a program is started and read. Who names another command gets nothing of that.
const OF_THE_COMMAND: [&str; 12] = [
    "command",
    "resume",
    "talk",
    "prompt",
    "place",
    "session_pattern",
    "gone_pattern",
    "mcp",
    "mcp_file",
    "outbox",
    "version",
    "status",
];

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

/// The agents that we know, each with the command that installs it.
pub fn known_agents() -> impl Iterator<Item = (&'static str, String)> {
    let recipes = recipes();
    AGENTS.into_iter().filter_map(move |name| {
        let install = table_of(recipes.get(name)?)?.get("install")?.clone().into_string().ok()?;
        Some((name, install))
    })
}

/// The built-in recipes by profile name, as a layer of settings.
pub(super) fn recipes() -> Map<String, Value> {
    let recipe = |(name, source): (&str, &str)| {
        let parsed = FileFormat::Toml.parse(Some(&RECIPE.to_owned()), source);
        (name.to_owned(), Value::new(None, parsed.expect("the recipes are well-formed, as a test shows")))
    };
    SOURCES.into_iter().map(recipe).collect()
}

/// Reads the files in `profiles` of a home, as a layer of settings. What is wrong with one is added to `problems`.
pub(super) fn own(home: &Path, problems: &mut Vec<String>) -> Map<String, Value> {
    let folder = home.join("profiles");
    let mut profiles = Map::new();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Map::new(),
        Err(error) => {
            problems.push(format!("`{}` cannot be read: {error}", folder.display()));
            return Map::new();
        }
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let stem = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let name = match stem.parse::<ProfileName>() {
            Ok(name) if name.as_str() == stem => name,
            Ok(name) => {
                problems.push(format!("`{}`: expected small letters alone, as in `{name}.toml`", file.display()));
                continue;
            }
            Err(reason) => {
                problems.push(format!("`{}`: {reason}; the file is named after its profile", file.display()));
                continue;
            }
        };
        let mark = file.display().to_string();
        let read = fs::read_to_string(file).map_err(|error| format!("`{mark}` cannot be read: {error}"));
        let parsed = read.and_then(|text| {
            FileFormat::Toml
                .parse(Some(&mark), &text)
                .map_err(|error| format!("`{mark}` is not well-formed: {}", without_source(&error.to_string())))
        });
        match parsed {
            Ok(table) => drop(profiles.insert(name.as_str().to_owned(), Value::new(None, table))),
            Err(problem) => problems.push(problem),
        }
    }
    if profiles.is_empty() { Map::new() } else { Map::from_iter([("profiles".to_owned(), Value::new(None, profiles))]) }
}

/// A recipe as it stands below a profile's own settings: who names a command does not get another one's way of starting.
pub(super) fn below(recipe: &Value, has_command: bool) -> Map<String, Value> {
    let mut table = table_of(recipe).cloned().unwrap_or_default();
    if has_command {
        for key in OF_THE_COMMAND {
            table.remove(key);
        }
    }
    table
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
