//! The other side of a shim: the gateway starts, watches and stops it; the command line inside a worker calls through it.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::UnixStream,
    time,
};

use super::{
    Answer, Exit, SOCKET_VARIABLE, Spec, Token, VERB, cgroup, exit_record, keeper,
    protocol::{self, Notice, Request},
    record::write_whole,
    spec::make_private,
};
use crate::process::{self, Identity};

/// How long a shim may take to answer what it can answer at once.
const DEADLINE: Duration = Duration::from_secs(30);

/// The time between two looks for a shim that has lost its socket.
const SOCKET_AWAY: Duration = Duration::from_millis(200);

/// Longer than the shim waits for the gateway, so that the shim's answer is heard.
const CALL_DEADLINE: Duration = Duration::from_secs(600);

/// Writes the specification into a new run directory, durably, and binds the run's socket, so that [`watch`] works from here
/// on.
///
/// # Errors
/// When a directory, the file or the socket cannot be made.
pub fn prepare(rundir: &Path, spec: &Spec) -> io::Result<UnixListener> {
    make_private(rundir)?;
    write_whole(rundir, Spec::FILE, &serde_json::to_vec(spec)?)?;
    if let Some(runs) = rundir.parent() {
        // The entry of the directory itself.
        fs::File::open(runs)?.sync_all()?;
    }
    // A socket left by a machine that stopped is in the way; anything else is not ours to remove.
    if fs::symlink_metadata(&spec.socket).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(&spec.socket)?;
    }
    let listener = UnixListener::bind(&spec.socket)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot bind `{}`: {error}", spec.socket.display())))?;
    fs::set_permissions(&spec.socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The same for an asynchronous program, whose other work does not wait for the disk meanwhile.
///
/// # Errors
/// As for [`prepare`].
pub async fn prepare_aside(rundir: &Path, spec: Spec) -> io::Result<UnixListener> {
    let rundir = rundir.to_owned();
    tokio::task::spawn_blocking(move || prepare(&rundir, &spec)).await.map_err(io::Error::other)?
}

/// Starts the shim of a prepared run and answers its pid.
///
/// While this process lives it takes the shim off the process
/// table; afterwards the system does. What the shim has to say of itself is appended to `shim.log` in the run directory.
///
/// # Errors
/// When the program cannot be started.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn(program: &Path, rundir: &Path, listener: UnixListener) -> io::Result<u32> {
    let log = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(rundir.join("shim.log"))?;
    let mut shim = tokio::process::Command::new(program)
        .arg(VERB)
        .arg(std::path::absolute(rundir)?)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()?;
    let pid = shim.id().ok_or_else(|| io::Error::other("the shim has no pid"))?;
    tokio::spawn(async move { shim.wait().await });
    Ok(pid)
}

/// News of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The worker runs. Said again when the connection to the shim had to be made again.
    Started(Identity),
    /// The worker could not be started; an exit follows.
    Failed(String),
    /// All of the run is over.
    Exit(Exit),
    /// The shim is gone and has left no record: how the worker ended is not known. What was left
    /// of it and still carried the run's socket in its environment was killed.
    Lost,
    /// The machine was started anew since the run began, and there is no record. Nothing was killed: whatever runs now
    /// is not of that time.
    LostInReboot,
}

/// The news of one run, in order: how it began, then how it ended. [`Update::Exit`] or one of the
/// losses is the last.
#[derive(Debug)]
pub struct Watch {
    rundir: PathBuf,
    socket: PathBuf,
    token: Token,
    lines: Option<Lines<BufReader<UnixStream>>>,
    has_begun: bool,
    /// The end of a run that was over before its beginning was told.
    held: Option<Update>,
    is_over: bool,
}

/// Asks the shim of a run for its news. A shim that is gone is news, not an error.
///
/// # Errors
/// When this process cannot open a connection, or the shim does not take one within half a minute.
pub async fn watch(rundir: &Path, socket: &Path, token: &Token) -> io::Result<Watch> {
    let mut watch = Watch {
        rundir: rundir.to_owned(),
        socket: socket.to_owned(),
        token: token.clone(),
        lines: None,
        has_begun: false,
        held: None,
        is_over: false,
    };
    watch.lines = watch.connect().await?;
    Ok(watch)
}

impl Watch {
    /// Waits for the next news; nothing after the last. May be given up at any time without losing news.
    ///
    /// # Errors
    /// When the shim refuses the token or says something that we do not understand.
    pub async fn next(&mut self) -> io::Result<Option<Update>> {
        if self.is_over {
            return Ok(None);
        }
        let update = match self.held.take() {
            Some(update) => update,
            None => self.receive().await?,
        };
        let update = match update {
            Update::Exit(exit) if !self.has_begun => {
                let beginning = match (&exit.worker, &exit.error) {
                    (Some(worker), _) => Update::Started(worker.clone()),
                    (None, error) => Update::Failed(error.clone().unwrap_or_default()),
                };
                self.held = Some(Update::Exit(exit));
                beginning
            }
            update => update,
        };
        self.has_begun = true;
        self.is_over = matches!(update, Update::Exit(_) | Update::Lost | Update::LostInReboot);
        Ok(Some(update))
    }

    async fn receive(&mut self) -> io::Result<Update> {
        loop {
            if let Some(lines) = &mut self.lines
                && let Ok(Some(line)) = lines.next_line().await
            {
                return match serde_json::from_str(&line)? {
                    Notice::Started(identity) => Ok(Update::Started(identity)),
                    Notice::Failed { error } => Ok(Update::Failed(error)),
                    Notice::Exit(exit) => Ok(Update::Exit(exit)),
                    Notice::Refused(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
                    Notice::Stopping(_) => Err(io::Error::other("the shim answered another question")),
                };
            }
            // The connection of a shim that has ended breaks; its record tells more. Only one that cannot be reached is gone.
            self.lines = None;
            if let Some(exit) = exit_record(&self.rundir) {
                return Ok(Update::Exit(exit));
            }
            self.lines = self.connect().await?;
            if self.lines.is_some() {
                continue;
            }
            let keeper = keeper(&self.rundir);
            if keeper.as_ref().is_some_and(lives_on) {
                // Its socket was removed by somebody: it puts it back, and until then its record is looked for.
                time::sleep(SOCKET_AWAY).await;
                continue;
            }
            // A record is written before a shim leaves, so this look comes after the one at the shim.
            if let Some(exit) = exit_record(&self.rundir) {
                return Ok(Update::Exit(exit));
            }
            if keeper.is_some_and(|keeper| keeper.is_of_another_boot()) {
                return Ok(Update::LostInReboot);
            }
            end_strays(&self.rundir, &self.socket).await?;
            return Ok(Update::Lost);
        }
    }

    /// Answers nothing when the shim is gone.
    async fn connect(&self) -> io::Result<Option<Lines<BufReader<UnixStream>>>> {
        match ask(&self.socket, &Request::Watch { token: self.token.clone() }).await {
            Ok(lines) => Ok(Some(lines)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Asks the shim to end its run; the end itself comes through [`watch`]. Answers false when the shim is gone already.
/// One that lives and has lost its socket is asked when it has put it back.
///
/// # Errors
/// When the shim refuses the token or does not answer within half a minute.
pub async fn stop(rundir: &Path, socket: &Path, token: &Token, reason: &str) -> io::Result<bool> {
    let request = Request::Stop { token: token.clone(), reason: reason.to_owned() };
    let answer = async {
        loop {
            match ask(socket, &request).await {
                Ok(mut lines) => break lines.next_line().await,
                Err(error) if is_gone(&error) && keeper(rundir).as_ref().is_some_and(lives_on) => {
                    time::sleep(SOCKET_AWAY).await;
                }
                Err(error) => break Err(error),
            }
        }
    };
    match time::timeout(DEADLINE, answer).await? {
        Ok(Some(line)) => match serde_json::from_str(&line)? {
            Notice::Stopping(_) => Ok(true),
            Notice::Refused(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
            Notice::Started(_) | Notice::Failed { .. } | Notice::Exit(_) => {
                Err(io::Error::other("the shim answered another question"))
            }
        },
        Ok(None) => Ok(false),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends one command line through a shim, as the command line does inside a worker, and waits for the answer.
///
/// # Errors
/// When the shim cannot be reached or is lost before it has answered.
pub fn call(socket: &Path, argv: &[String], stdin: Option<&str>) -> io::Result<Answer> {
    let stream = protocol::connect(socket, CALL_DEADLINE)?;
    protocol::send(&stream, &Request::Call { argv: argv.to_vec(), stdin: stdin.map(str::to_owned) })?;
    protocol::receive(&mut io::BufReader::new(&stream), u64::MAX)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the run ended before the call was answered"))
}

/// Ends what a killed shim could not take along: its worker dies with it, but not what the worker had started.
async fn end_strays(rundir: &Path, socket: &Path) -> io::Result<()> {
    let (rundir, entry) = (rundir.to_owned(), format!("{SOCKET_VARIABLE}={}", socket.display()));
    tokio::task::spawn_blocking(move || {
        cgroup::end_of(&rundir);
        process::kill_marked(&entry, DEADLINE)
    })
    .await
    .map(drop)
    .map_err(io::Error::other)
}

/// Whether a shim is alive for sure, whatever became of its socket.
fn lives_on(keeper: &Identity) -> bool {
    keeper.is_certain() && keeper.is_alive()
}

async fn ask(socket: &Path, request: &impl Serialize) -> io::Result<Lines<BufReader<UnixStream>>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let connected = async {
        let mut stream = loop {
            match UnixStream::connect(socket).await {
                // A worker that floods its shim fills the queue for a moment.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => time::sleep(Duration::from_millis(20)).await,
                connected => break connected?,
            }
        };
        stream.write_all(&line).await?;
        Ok(BufReader::new(stream).lines())
    };
    time::timeout(DEADLINE, connected).await?
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    )
}
