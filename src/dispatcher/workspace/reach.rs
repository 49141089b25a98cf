//! Which directories a person's tasks may work in.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::{
    Refusal,
    opened::{outside, without_dots},
};

/// The directories that somebody's tasks may reach.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// An owner on this machine, with no roots set: anywhere but our home and secret places.
    Anywhere,
    /// At or below one of these; nowhere if there is none.
    Below(&'a [PathBuf]),
}

/// Answers the true path of a directory that may be used, with every link resolved.
///
/// It may be missing itself, but not its parent. `denied` are directories that nobody's task may use, our home among them.
///
/// # Errors
/// When the path is out of reach, is or lies in a secret place, or has no parent.
pub fn allowed(path: &Path, reach: Reach<'_>, denied: &[PathBuf]) -> Result<PathBuf, Refusal> {
    super::require_absolute(path, "dir")?;
    let found = resolve(path);
    if let Reach::Below(roots) = reach {
        // Of what is out of reach nothing more is said, neither whether it is there nor where it leads.
        let judged = found.as_deref().map_or_else(|_| without_dots(path), Path::to_owned);
        if !roots.iter().any(|root| below(&judged, root) || (found.is_err() && judged.starts_with(root))) {
            return Err(Refusal::new(format!("`{}` {}", path.display(), outside(reach))));
        }
    }
    let true_path = found?;
    let refuse = |reason: &str| {
        let shown = if true_path == path { String::new() } else { format!(" (which is `{}`)", true_path.display()) };
        Err(Refusal::new(format!("`{}`{shown} {reason}", path.display())))
    };
    if is_denied(&true_path, denied) {
        return refuse(SECRETS);
    }
    Ok(true_path)
}

/// What is said of a secret place.
pub(super) const SECRETS: &str =
    "may not be a workspace: secrets or the gateway's own files are kept there; choose another directory";

/// Whether a true path is or lies in a place that nobody's task may use.
pub(super) fn is_denied(path: &Path, denied: &[PathBuf]) -> bool {
    denied.iter().any(|place| below(path, place)) || is_secret(path)
}

/// Directories of any home that hold keys and passwords.
const SECRET: [&str; 10] =
    [".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".mozilla", ".pki", ".netrc"];

/// Directories below `.config` that do.
const SECRET_CONFIG: [&str; 8] = ["gcloud", "gh", "hub", "op", "rclone", "sops", "google-chrome", "chromium"];

fn is_secret(path: &Path) -> bool {
    let is = |name: &OsStr, secret: &str| name.eq_ignore_ascii_case(secret);
    let names: Vec<&OsStr> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    names.iter().any(|name| SECRET.iter().any(|secret| is(name, secret)))
        || names.windows(2).any(|pair| is(pair[0], ".config") && SECRET_CONFIG.iter().any(|secret| is(pair[1], secret)))
        || names.windows(3).any(|names| is(names[0], ".local") && is(names[1], "share") && is(names[2], "keyrings"))
}

/// A root that does not exist holds nothing.
fn below(path: &Path, root: &Path) -> bool {
    fs::canonicalize(root).is_ok_and(|root| path.starts_with(root))
}

fn resolve(path: &Path) -> Result<PathBuf, Refusal> {
    let refusal = |error: io::Error| Refusal::io("resolve", path, &error);
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to nowhere is not a directory to be made: what it names would be made.
            if fs::symlink_metadata(path).is_ok() {
                return Err(refusal(error));
            }
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(refusal(error)) };
            match fs::canonicalize(parent) {
                Ok(parent) => Ok(parent.join(name)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Refusal::no_parent(path, parent)),
                Err(error) => Err(refusal(error)),
            }
        }
        resolved => resolved.map_err(refusal),
    }
}
