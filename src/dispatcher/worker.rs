//! A worker's process, whatever it works on: made ready, started below its shim, and followed to its end.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::workspace::{Reach, allowed};
use crate::{
    board::lane::Session,
    command::Desk,
    process::Identity,
    random,
    settings::{Environment, Profile, Prompt, Values, in_home},
    shim::{
        Confinement, Exit, PROMPT, Token,
        client::{self, Update, Watch},
        gateway_socket_path, has_begun,
    },
};

/// How long to wait before something is tried again that must succeed in the end.
pub const AGAIN: Duration = Duration::from_secs(1);

/// How a worker ended, as far as its shim can tell.
#[derive(Debug)]
pub enum End {
    Exit(Exit),
    /// It was never started.
    NotBegun,
    /// It was started, and nobody knows how it ended.
    Lost,
    /// The machine was started anew while it was at work.
    LostInReboot,
    /// It was over before somebody asked.
    Over,
    /// Its shim is not understood, and has it still.
    NotUnderstood,
}

/// A worker that is followed.
#[derive(Debug)]
pub struct Follower {
    rundir: PathBuf,
    watch: Watch,
}

/// News of a worker; its end is the last.
#[derive(Debug)]
pub enum News {
    Started(Identity),
    End(End),
}

impl Follower {
    /// Asks the shim of a worker for its news, until it can be asked.
    pub async fn of(rundir: &Path, socket: &Path, token: &Token) -> Self {
        loop {
            match client::watch(rundir, socket, token).await {
                Ok(watch) => return Self { rundir: rundir.to_owned(), watch },
                Err(error) => {
                    tracing::warn!(%error, "the shim cannot be asked; asking again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    pub async fn next(&mut self) -> News {
        loop {
            return match self.watch.next().await {
                Ok(Some(Update::Started(identity))) => News::Started(identity),
                Ok(Some(Update::Failed(_))) => continue,
                Ok(Some(Update::Exit(exit))) => News::End(End::Exit(exit)),
                Ok(Some(Update::Lost | Update::LostInReboot)) if !has_begun(&self.rundir) => News::End(End::NotBegun),
                Ok(Some(Update::Lost)) => News::End(End::Lost),
                Ok(Some(Update::LostInReboot)) => News::End(End::LostInReboot),
                Ok(None) => News::End(End::Over),
                // The system refused a connection, or a deadline passed: that says nothing of the worker.
                Err(error) if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::TimedOut => {
                    tracing::warn!(%error, "the shim cannot be asked; asking again");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "the shim is not understood; the worker is left to it");
                    News::End(End::NotUnderstood)
                }
            };
        }
    }
}

/// What every worker of a profile has in its environment; `program` is ours, which it calls by its name.
pub fn environment(profile: &Profile, ours: &Environment, program: &Path) -> BTreeMap<String, String> {
    let mut env = profile.environment(ours);
    // A worker says `kanban complete …`, so our own folder comes first.
    let folder = program.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let path = env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin".to_owned(), Clone::clone);
    env.insert("PATH".to_owned(), format!("{folder}:{path}"));
    env
}

/// Makes the directories that a profile's program keeps its own things in, where they are missing.
pub fn make_directories(profile: &Profile, env: &BTreeMap<String, String>) {
    let home = env.get("HOME").map_or("", String::as_str);
    for directory in profile.directories.iter().map(|path| in_home(path, home)).filter(|path| path.is_absolute()) {
        if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory) {
            // The program may do without, and says it where it cannot.
            tracing::warn!(%error, "`{}` of profile `{}` cannot be made", directory.display(), profile.name);
        }
    }
}

/// What every worker is kept out of; `readable` is what it may read all the same.
///
/// # Errors
/// When the place of our sockets cannot be told.
pub fn confinement(desk: &Desk, readable: Vec<PathBuf>) -> io::Result<Confinement> {
    let gateway = gateway_socket_path(desk.home(), &desk.environment.runtime_dir())?;
    Ok(Confinement::of(desk.home(), gateway.parent().unwrap_or(desk.home()), readable))
}

/// Refuses a directory that was allowed once, when a link that was put in its way since then leads somewhere else.
pub fn still_leads_there(home: &Path, path: &Path) -> Result<(), String> {
    let true_path = allowed(path, Reach::Anywhere, &[home.to_owned()]).map_err(|refusal| refusal.to_string())?;
    if true_path == path {
        return Ok(());
    }
    Err(format!(
        "`{}` leads to `{}` since then; put the directory back, or name the one that is meant now",
        path.display(),
        true_path.display()
    ))
}

/// The session to start a worker of a profile in, after its last one. An agent that can go on with a session is handed
/// only one that it surely knows; another gets the same name each time.
pub fn session_after(last: Option<Session>, profile: &Profile) -> Session {
    match last {
        Some(last) if last.goes_on || !profile.can_go_on() => last,
        // The agent will name it.
        Some(_) | None if profile.session_pattern.is_some() => Session { id: String::new(), goes_on: false },
        Some(_) | None => Session { id: session_id(), goes_on: false },
    }
}

/// Writes what a worker is told where nobody else can read it.
pub fn write_prompt(rundir: &Path, text: &str) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(rundir)?;
    let path = rundir.join(PROMPT);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// The text of a prompt that is handed over as an argument, which no system takes at any length.
pub fn as_argument<'a>(profile: &Profile, text: &'a str) -> Result<&'a str, String> {
    const LONGEST: usize = 100_000;
    match profile.prompt {
        Prompt::Argument if text.len() > LONGEST => Err(format!(
            "the prompt has {} bytes, and an argument may have {LONGEST}; set `prompt = \"stdin\"` or `\"file\"` in `[profiles.{}]`",
            text.len(),
            profile.name
        )),
        Prompt::Argument => Ok(text),
        Prompt::Stdin | Prompt::File => Ok(""),
    }
}

/// Writes the file by which an agent finds our MCP server, where its recipe has such a file. Answers the path to name, or
/// none where the recipe has no such road.
pub fn write_mcp_file(rundir: &Path, profile: &Profile, values: &Values<'_>) -> io::Result<Option<PathBuf>> {
    if !profile.has_mcp() {
        return Ok(None);
    }
    let path = rundir.join("mcp.json");
    if let Some(document) = profile.mcp_file(&Values { mcp_file: path.to_str(), ..*values }) {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec_pretty(&document)?)?;
    }
    Ok(Some(path))
}

/// Removes what a worker that is over leaves behind.
pub fn clear(rundir: &Path, socket: &Path) {
    if let Err(error) = fs::remove_dir_all(rundir)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the directory of a run that is over could not be removed");
    }
    // Its shim has removed it, unless it was killed or never started.
    let _ = fs::remove_file(socket);
}

/// A random identifier in the form that agents take for a session: a version 4 UUID.
fn session_id() -> String {
    let mut bytes = random::bytes::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = random::hex_of(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
