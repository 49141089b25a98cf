//! A gateway that replaces itself by the program that lies now where it was started from, under the same pid.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::Start;
use crate::{process, settings::Environment};

/// How long the next program may take to say that it could start.
const TRIAL: Duration = Duration::from_secs(20);

/// How the answer of `up --check` begins.
pub(crate) const COULD_START: &str = "ok: kanban ";

/// The program that we were started from, and what it was told.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The path as it was named, so that an upgrade which moves a link is followed.
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Origin {
    /// The place that the present process was started from.
    ///
    /// # Errors
    /// When the system does not tell which program this is.
    pub fn of(name: Option<&OsStr>, arguments: &[OsString], environment: &Environment) -> io::Result<Self> {
        let ours = running_program()?;
        let named = name.and_then(|name| found(name, environment)).filter(|named| is_same(named));
        Ok(Self { program: named.unwrap_or(ours), arguments: arguments.to_vec() })
    }

    /// The program itself, with no link in its path and without the mark of one that was replaced.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Has the program that is there now say whether it could start as we were started.
    pub(super) async fn try_next(&self) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg("--check").stdin(Stdio::null()).kill_on_drop(true);
        let program = self.program.display();
        let output = timeout(TRIAL, command.output())
            .await
            .map_err(|_| format!("`{program} up --check` has not ended within {} s", TRIAL.as_secs()))?
            .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        if output.status.success() && output.stdout.starts_with(COULD_START.as_bytes()) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        Err(format!(
            "`{program} up --check` ended with {}{}",
            output.status,
            if said.is_empty() { String::new() } else { format!(": {said}") }
        ))
    }

    /// Becomes the program that is there now, or starts this very program again. Returns only when that fails.
    ///
    /// If the next one cannot be started after all, this one starts again, which the system keeps although it may have no name
    /// any more.
    pub fn start_again(&self, start: Start) -> io::Error {
        let takeover = OsStr::new("--takeover");
        let told = self.arguments.iter().any(|argument| argument == takeover);
        let arguments = self.arguments.iter().map(OsString::as_os_str).chain((!told).then_some(takeover));
        let arguments: Vec<&OsStr> = arguments.collect();
        if start == Start::Next {
            let error = process::replace(&self.program, &self.program, &arguments);
            tracing::error!(%error, "`{}` cannot be started; this program starts again", self.program.display());
        }
        process::replace(Path::new("/proc/self/exe"), &self.program, &arguments)
    }
}

/// Where our own program lies, without the mark that the system gives to one that was replaced.
fn running_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(name) if !path.exists() => PathBuf::from(OsStr::from_bytes(name)),
        Some(_) | None => path,
    })
}

/// The absolute path of a program as a shell finds it.
fn found(name: &OsStr, environment: &Environment) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return std::path::absolute(name).ok();
    }
    let folders = environment.get("PATH")?;
    let named = std::env::split_paths(folders).map(|folder| folder.join(name)).find(|path| path.is_file())?;
    std::path::absolute(named).ok()
}

/// Whether a path leads to the program that runs.
fn is_same(path: &Path) -> bool {
    let (Ok(named), Ok(running)) = (fs::metadata(path), fs::metadata("/proc/self/exe")) else { return false };
    (named.dev(), named.ino()) == (running.dev(), running.ino())
}
