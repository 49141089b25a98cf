//! The shim's socket: the gateway watches and stops the run, the worker's processes call the board.

use std::{
    fs,
    io::{self, BufReader},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    Answer, Token, all_above,
    calls::Calls,
    protocol::{self, Notice, Request},
    run::Run,
    spec::make_private,
};
use crate::process::{self, Identity};

/// Enough for every thread of a shim: none recurses.
pub(super) const STACK: usize = 256 << 10;

/// How many connections of the worker are served at once. The gateway's are always served.
const MOST_CONNECTIONS: usize = 128;

/// How long a client may take to send its line or to take ours.
const PATIENCE: Duration = Duration::from_secs(10);

/// All that answers need.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) own: Identity,
    pub(super) token: Token,
    pub(super) run: Arc<Run>,
    pub(super) calls: Arc<Calls>,
    /// Where the socket lies.
    pub(super) socket: PathBuf,
    /// The home that the run is of.
    pub(super) home: PathBuf,
    /// Whether the worker may speak to the board.
    pub(super) is_open: bool,
}

impl Server {
    /// Serves for as long as the process lives.
    pub(super) fn serve(self, listener: UnixListener) {
        let open = Arc::new(AtomicUsize::new(0));
        let mut door = Door::of(listener, self.socket.clone());
        loop {
            let Ok(stream) = door.next() else {
                // Out of descriptors: wait until some connection has ended.
                pause();
                continue;
            };
            let from_worker = self.is_worker(&stream);
            let from_gateway = !from_worker && !self.is_of_other_worker(&stream);
            if !from_gateway && open.load(Ordering::Acquire) >= MOST_CONNECTIONS {
                let _ = protocol::send(&stream, &Answer::refused(1, "too many calls at once; try again"));
                continue;
            }
            open.fetch_add(1, Ordering::AcqRel);
            let (server, closed) = (self.clone(), open.clone());
            let spawned = thread::Builder::new().name("connection".to_owned()).stack_size(STACK).spawn(move || {
                // The client may leave at any moment; then there is nobody to tell.
                let _ = server.converse(stream, from_worker, from_gateway);
                closed.fetch_sub(1, Ordering::AcqRel);
            });
            if spawned.is_err() {
                // The worker has used up the processes that we may have; the connection is closed, the client asks again.
                open.fetch_sub(1, Ordering::AcqRel);
                pause();
            }
        }
    }

    /// Being below this shim is the proof of being its worker.
    fn is_worker(&self, stream: &UnixStream) -> bool {
        process::peer_pid(stream).is_ok_and(|pid| process::ancestors(pid).any(|ancestor| ancestor == self.own))
    }

    /// The worker of another run of this home is not the gateway, whatever token it has come by.
    fn is_of_other_worker(&self, stream: &UnixStream) -> bool {
        process::peer_pid(stream).is_ok_and(|pid| all_above(pid).any(|rundir| rundir.starts_with(&self.home)))
    }

    fn converse(&self, stream: UnixStream, from_worker: bool, from_gateway: bool) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let reading = stream.try_clone()?;
        let mut reader = BufReader::new(&reading);
        loop {
            let request = match protocol::receive(&mut reader, protocol::LONGEST_LINE) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(());
                }
                Err(error) => return protocol::send(&stream, &Answer::refused(2, format!("not a request: {error}"))),
            };
            match request {
                Request::Watch { token } if from_gateway && self.token.matches(&token) => {
                    self.run.watch(stream);
                    return Ok(());
                }
                Request::Stop { token, reason } if from_gateway && self.token.matches(&token) => {
                    self.run.stop(reason, stream);
                    return Ok(());
                }
                Request::Watch { .. } | Request::Stop { .. } => {
                    let reason = "only the gateway may ask this, with the token of this run".to_owned();
                    return protocol::send(&stream, &Notice::Refused(reason));
                }
                Request::Call { .. } if from_worker && !self.is_open => {
                    let reason = "the agent of a thread has no door to the board: answer with the command that the person may type, as in `/kanban create …`";
                    protocol::send(&stream, &Answer::refused(1, reason))?;
                }
                Request::Call { argv, stdin } if from_worker => {
                    protocol::send(&stream, &self.calls.submit(argv, stdin))?;
                }
                Request::Call { .. } => {
                    let reason = "this socket takes calls from its own worker alone; run `kanban` outside of it";
                    return protocol::send(&stream, &Answer::refused(1, reason));
                }
            }
        }
    }
}

/// The listening socket and its place, which cleaners of temporary files empty now and then: a socket that is not there any
/// more is put back, since workers and the gateway find their way by its path.
struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the socket's file.
    file: Option<(u64, u64)>,
}

impl Door {
    fn of(listener: UnixListener, path: PathBuf) -> Self {
        let file = file_at(&path);
        Self { listener, path, file }
    }

    fn next(&mut self) -> io::Result<UnixStream> {
        let patience = rustix::event::Timespec { tv_sec: 2, tv_nsec: 0 };
        loop {
            let mut polled = [rustix::event::PollFd::new(&self.listener, rustix::event::PollFlags::IN)];
            if rustix::event::poll(&mut polled, Some(&patience)).is_ok_and(|ready| ready == 0) {
                self.put_back();
                continue;
            }
            return self.listener.accept().map(|(stream, _)| stream);
        }
    }

    fn put_back(&mut self) {
        if self.file.is_none() || file_at(&self.path) == self.file {
            return;
        }
        // Where this fails, as when something else lies there, the next look tries again.
        let bound = self.path.parent().map_or(Ok(()), make_private).and_then(|()| UnixListener::bind(&self.path));
        if let Ok(listener) = bound
            && fs::set_permissions(&self.path, fs::Permissions::from_mode(0o600)).is_ok()
        {
            (self.listener, self.file) = (listener, file_at(&self.path));
        }
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Waits a moment without a clock of our own.
fn pause() {
    let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let _ = rustix::event::poll(&mut [], Some(&moment));
}
