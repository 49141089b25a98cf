//! The folder that holds boards, logs and settings.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{Environment, Refusal};

/// Chooses the home: `--home`, else `KANBAN_HOME`, else the user's data directory.
///
/// The path is absolute and without links: sockets and running workers are known by it, so a home must have one path
/// however it is named.
pub fn home(flag: Option<&Path>, environment: &Environment) -> Result<PathBuf, Refusal> {
    let named = flag.map(Path::to_owned).or_else(|| environment.get("KANBAN_HOME").map(PathBuf::from));
    let chosen = match named {
        Some(path) => path,
        None => data_directory(environment)?.join("kanban"),
    };
    std::path::absolute(&chosen)
        .map(|path| without_links(&path))
        .map_err(|error| Refusal::new(format!("`{}` cannot be the home: {error}", chosen.display())))
}

/// The true path of something of which the last parts may not be there yet.
fn without_links(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|part| Some((fs::canonicalize(part).ok()?, part)));
    match found.map(|(true_part, part)| path.strip_prefix(part).map(|rest| true_part.join(rest))) {
        // A rest of nothing would add a slash.
        Some(Ok(true_path)) => true_path.components().collect(),
        Some(Err(_)) | None => path.to_owned(),
    }
}

/// Creates the home, for its owner alone, unless it is there.
pub fn create_home(home: &Path) -> Result<(), Refusal> {
    let refuse = |reason: &str| {
        Refusal::new(format!("the home `{}` cannot be used: {reason}; name another with `--home DIR`", home.display()))
    };
    match fs::metadata(home) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(refuse("got a file, expected a directory")),
        Err(_) => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(home).map_err(|error| refuse(&error.to_string()))
        }
    }
}

fn data_directory(environment: &Environment) -> Result<PathBuf, Refusal> {
    // The XDG specification has relative paths ignored.
    if let Some(data) = environment.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Ok(data);
    }
    let user = environment.get("HOME").map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(|| {
        Refusal::new("there is no place for the home: `HOME` is not set; name one with `--home DIR` or `KANBAN_HOME`")
    })?;
    let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    Ok(user.join(below))
}
