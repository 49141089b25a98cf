//! The control socket: how the command line, the shims and the clients of tools reach a running gateway. One JSON object
//! a line, or HTTP.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream as StdStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kanban_console::{Console, Said, Say, SayError};
use kanban_platform::{Commands, Surface};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    board::Actor,
    command::{Caller, Desk, Place, Reply, from_words},
    dispatcher::{answer, apply_call, caller_of},
    gateway::{Gateway, Heir, TakeoverAnswer},
    mcp,
    settings::Role,
    shim::{self, Answer, Call, Spec, Token},
};

/// The longest line that is read.
const LONGEST_LINE: u64 = 16 << 20;

/// How long a message through the console may take until its answer is shown.
const SAY_DEADLINE: Duration = Duration::from_secs(30);

/// How long the command line waits for a gateway that has taken its call.
const CLIENT_DEADLINE: Duration = Duration::from_secs(120);

/// What can be asked of a gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Ask {
    /// A command line of the local owner, with the folder that it was typed in.
    Run { argv: Vec<String>, folder: PathBuf },
    /// A call of a worker, handed on by its shim.
    Call {
        run: i64,
        token: Token,
        #[serde(flatten)]
        call: Call,
    },
    /// One message through the console.
    Say { say: Say },
    /// Another gateway, with everything ready, wants this one to let go of the home.
    Takeover,
}

/// The answer to [`Ask::Say`]; that to [`Ask::Takeover`] is a [`TakeoverAnswer`], and the others are answered by an [`Answer`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SayAnswer {
    Said(Said),
    Refused(String),
    /// The gateway leaves and has done nothing, so that the next one is to be asked.
    Left,
}

/// The gateway's end of the socket.
pub struct Control {
    pub desk: Desk,
    pub gateway: Arc<Gateway>,
    pub console: Option<Arc<Console>>,
    /// Told of who wants to take over; there is room for one.
    pub heirs: mpsc::Sender<Heir>,
    /// Those who are being answered.
    pub connections: TaskTracker,
}

impl Control {
    /// Serves the socket until shutdown; what was taken is answered.
    pub async fn serve(self: Arc<Self>, listener: UnixListener, shutdown: CancellationToken) {
        loop {
            let stream = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Too many descriptors are open: some will be closed soon.
                        tracing::error!(%error, "a connection to the control socket could not be taken");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let (this, shutdown) = (Arc::clone(&self), shutdown.clone());
            self.connections.spawn(async move {
                if let Err(error) = this.converse(stream, shutdown).await {
                    tracing::debug!(%error, "a control connection broke off");
                }
            });
        }
        // Whoever still waits in the queue learns at once that nobody listens here any more.
        drop(listener);
        self.connections.close();
        self.connections.wait().await;
    }

    async fn converse(&self, stream: UnixStream, shutdown: CancellationToken) -> io::Result<()> {
        let peer = stream.peer_cred()?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        let Some(pid) = peer.pid().and_then(|pid| u32::try_from(pid).ok()) else { return Ok(()) };
        let peer = self.peer_of(pid).await?;
        let (reading, mut writing) = stream.into_split();
        let mut lines = tokio::io::BufReader::new(reading);
        let first = tokio::select! {
            biased;
            read = lines.fill_buf() => read?.first().copied(),
            () = shutdown.cancelled() => return Ok(()),
        };
        // A line is an object, and a request of HTTP begins with its method.
        if first.is_some_and(|first| first.is_ascii_uppercase()) {
            let figures = matches!(peer, Peer::Owner).then(|| self.desk.clone());
            let stream = tokio::io::join(lines, writing);
            return mcp::converse(stream, self.tools_for(peer, pid), figures, &shutdown).await;
        }
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut lines).take(LONGEST_LINE);
            tokio::select! {
                biased;
                read = bounded.read_until(b'\n', &mut line) => if read? == 0 { return Ok(()) },
                () = shutdown.cancelled() => return Ok(()),
            }
            if matches!(serde_json::from_slice(&line), Ok(Ask::Takeover)) {
                let stream = lines.into_inner().reunite(writing).map_err(io::Error::other)?;
                return self.hand_over(stream, &peer).await;
            }
            let mut answer = self.answer(&line, &peer).await;
            answer.push(b'\n');
            writing.write_all(&answer).await?;
        }
    }

    /// The tools for a process at the other end. A path that it names is meant from where it works.
    fn tools_for(&self, peer: Peer, pid: u32) -> mcp::Server {
        match peer {
            Peer::Owner => {
                let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_else(|_| "/".into());
                mcp::Server::of_caller(self.desk.clone(), owner(&self.desk, folder))
            }
            Peer::Worker(worker) => mcp::Server::of_caller(self.desk.clone(), *worker),
            Peer::Turn => mcp::Server::of_nobody(),
        }
    }

    async fn answer(&self, line: &[u8], peer: &Peer) -> Vec<u8> {
        let told = |reply: Reply| serde_json::to_vec(&answer(reply)).unwrap_or_default();
        match serde_json::from_slice(line) {
            // A token is no key for a worker, not even its own: its shim speaks for it, and is below no other.
            Ok(Ask::Call { .. }) if !matches!(peer, Peer::Owner) => {
                told(Reply::refused("a worker speaks to the board through its shim alone; run `kanban` for that"))
            }
            Ok(Ask::Call { run, token, call }) => {
                serde_json::to_vec(&apply_call(&self.desk, run, &token, &call).await).unwrap_or_default()
            }
            Ok(Ask::Run { argv, folder }) => told(self.run(&argv, folder, peer).await),
            // Answered where the connection is.
            Ok(Ask::Takeover) => Vec::new(),
            Ok(Ask::Say { say }) => serde_json::to_vec(&self.say(say, peer).await).unwrap_or_default(),
            Err(error) => {
                told(Reply { exit: 2, ..Reply::refused(format!("the gateway does not understand this line: {error}")) })
            }
        }
    }

    /// Lets go of the home for another gateway that waits at the other end, if the owner runs it.
    async fn hand_over(&self, mut stream: UnixStream, peer: &Peer) -> io::Result<()> {
        let place = match peer {
            Peer::Owner => self.heirs.try_reserve().map_err(|_| "the gateway is stopping or hands over already"),
            Peer::Worker(_) => Err("a worker may not take the gateway over; only its owner may"),
            Peer::Turn => Err("the agent of a thread may not take the gateway over; only its owner may"),
        };
        let answer = match &place {
            Ok(_) => TakeoverAnswer::Leaving(std::process::id()),
            Err(reason) => TakeoverAnswer::Refused((*reason).to_owned()),
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        if let Ok(place) = place {
            place.send(Heir::new(stream));
        }
        Ok(())
    }

    async fn run(&self, argv: &[String], folder: PathBuf, peer: &Peer) -> Reply {
        let command = match from_words(argv, Surface::Internal) {
            Ok(command) => command,
            Err(mistake) if mistake.exit == 0 => return Reply::text(mistake.text),
            Err(mistake) => return Reply { exit: mistake.exit, ..Reply::refused(mistake.text) },
        };
        let caller = match peer {
            Peer::Worker(worker) => (**worker).clone(),
            Peer::Turn => return Reply::refused("the agent of a thread has no door to the board"),
            Peer::Owner => owner(&self.desk, folder),
        };
        self.desk.run(&caller, &command, None).await.reply
    }

    async fn say(&self, say: Say, peer: &Peer) -> SayAnswer {
        match peer {
            Peer::Owner => {}
            Peer::Worker(_) => {
                return SayAnswer::Refused(
                    "a worker may not speak in the console; it talks back with `kanban comment`, `block` and `complete`"
                        .to_owned(),
                );
            }
            Peer::Turn => {
                return SayAnswer::Refused(
                    "the agent of a thread may not speak in the console; it prints its answer".to_owned(),
                );
            }
        }
        let Some(console) = &self.console else {
            return SayAnswer::Refused(
                "the gateway runs without a console; start it without `--console off`".to_owned(),
            );
        };
        let commands: Arc<dyn Commands> = Arc::clone(&self.gateway) as Arc<dyn Commands>;
        match console.say(commands, say, SAY_DEADLINE).await {
            Ok(said) => SayAnswer::Said(said),
            Err(SayError::Left) => SayAnswer::Left,
            Err(error) => SayAnswer::Refused(error.to_string()),
        }
    }

    /// Who a process is, whatever it says of itself: a worker or an agent is below a shim of this home.
    async fn peer_of(&self, pid: u32) -> io::Result<Peer> {
        let (runs, turns) = (self.desk.home().join("run"), self.desk.home().join("turns"));
        let is_ours = |rundir: &PathBuf| rundir.parent().is_some_and(|parent| parent == runs || parent == turns);
        // The outermost is the true one: a worker can start what looks like another's shim, but only below its own.
        let Some(rundir) = shim::all_above(pid).filter(is_ours).last() else {
            if shim::is_in_leaf(pid, &[runs, turns]) {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "it is left of a worker whose shim is gone",
                ));
            }
            return Ok(Peer::Owner);
        };
        if rundir.starts_with(&turns) {
            return Ok(Peer::Turn);
        }
        let spec = Spec::read(&rundir)?;
        let board = self.desk.boards.get(&spec.board).await.map_err(io::Error::other)?;
        caller_of(&self.desk, &board, spec.run).await.map(Box::new).map(Peer::Worker).map_err(io::Error::other)
    }
}

/// Who is at the other end of a connection.
enum Peer {
    Owner,
    Worker(Box<Caller>),
    /// The agent of a thread, at work on a message.
    Turn,
}

/// The local owner, typing in a folder.
pub fn owner(desk: &Desk, folder: PathBuf) -> Caller {
    Caller::new(Actor::Person { name: desk.environment.user_name() }, Role::Owner, Place::Terminal { folder })
}

/// The command line's end of the socket.
pub struct Client {
    stream: StdStream,
}

impl Client {
    /// Connects to the gateway that listens there, if one does.
    pub fn connect(socket: &Path) -> io::Result<Option<Self>> {
        match StdStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(CLIENT_DEADLINE))?;
                stream.set_write_timeout(Some(CLIENT_DEADLINE))?;
                Ok(Some(Self { stream }))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a command line in the gateway. None when it leaves and has done nothing: the next one is to be asked.
    pub fn run(&mut self, argv: &[String], folder: &Path) -> io::Result<Option<Answer>> {
        let answer: Option<Answer> = self.ask(&Ask::Run { argv: argv.to_vec(), folder: folder.to_owned() })?;
        Ok(answer.filter(|answer| !answer.leaving))
    }

    /// Sends a message through the console. None as for [`Client::run`].
    pub fn say(&mut self, say: &Say) -> io::Result<Option<SayAnswer>> {
        let answer: Option<SayAnswer> = self.ask(&Ask::Say { say: say.clone() })?;
        Ok(answer.filter(|answer| !matches!(answer, SayAnswer::Left)))
    }

    /// None when the other end has left without reading what was asked.
    fn ask<T: for<'de> Deserialize<'de>>(&mut self, ask: &Ask) -> io::Result<Option<T>> {
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        let mut answer = String::new();
        let asked = self.stream.write_all(&line).and_then(|()| BufReader::new(&self.stream).read_line(&mut answer));
        match asked {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the gateway stopped before it answered; ask again to see whether it was done",
            )),
            Ok(_) => Ok(Some(serde_json::from_str(&answer)?)),
            // The system says so of a line that was not read to its end; one that was read ends without a word.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
