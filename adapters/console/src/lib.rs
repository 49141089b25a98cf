//! A chat in the terminal: threads, users, replies, buttons and edits, with nothing to sign up for.
//!
//! People use it for a first look and tests as a complete platform: it speaks to the gateway through the same
//! contract as every other platform.
#![forbid(unsafe_code)]

mod complete;
mod editor;
mod journal;
mod line;
mod reader;
mod recent;
mod render;
mod request;
mod say;
mod screen;
mod tape;
mod transcript;

use std::{
    future::Future,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kanban_platform::{
    Batch, Commands, FetchError, Incoming, Intake, NotKept, Opening, Platform, PlatformError, Post, PostError,
    PostKind, Request, Said as Message, Thread,
};
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    editor::Session,
    journal::Journal,
    line::Typed,
    reader::{Heard, Lines, MESSAGE_LIMIT, Piped, Reader},
    recent::Recent,
    request::{Place, RequestError, Updates},
    screen::Screen,
    tape::{Held, Tape},
    transcript::Transcript,
};
pub use crate::{
    request::Action,
    say::{Said, Say, SayError},
    transcript::{Line, Shown},
};

/// The name of the platform, as [`kanban_platform::Thread::platform`] carries it.
pub const PLATFORM: &str = "console";

/// The name of the transcript in the home.
pub const TRANSCRIPT: &str = "console.jsonl";

/// How many posts of earlier times are shown at the start.
const RECENT: usize = 20;

/// How long a script waits for the answer to one line before it goes on with the next.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How long `/wait` waits.
const WAIT_DEADLINE: Duration = Duration::from_secs(60);

/// How long a request that is being handled may go on after a shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The console, as a platform.
pub struct Console {
    history: PathBuf,
    input: Mutex<Option<Input>>,
    updates: Updates,
    journal: Arc<Journal>,
    recent: Mutex<Recent>,
    /// Counts what was posted.
    posts: watch::Sender<u64>,
    /// What was read from standard input.
    held: Held,
}

/// How posts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `[THREAD #N] text`, for people.
    Text,
    /// One [`Line`] as a JSON object on each line, for programs.
    Json,
}

/// A source of the time, in unix seconds.
pub type Now = Box<dyn Fn() -> i64 + Send + Sync>;

/// Everything that the console has from outside.
pub struct Options {
    pub mode: Mode,
    pub input: Input,
    /// Where posts are shown, and nothing else.
    pub output: Box<dyn Write + Send>,
    /// Where the person is told what went wrong with a line.
    pub notices: Box<dyn Write + Send>,
    pub now: Now,
    /// Random for each process: the ids of updates begin with it, so that they are never the same as earlier ones.
    pub session: [u8; 8],
}

/// Where lines are typed.
pub enum Input {
    /// The terminal that is this process's standard input and output: with line editing, history and completion.
    Terminal,
    /// The lines of this process's standard input, after those that an earlier program under its pid had read.
    Standard { unread: Vec<u8> },
    /// Lines from elsewhere, each handled and answered before the next one is read.
    Lines(Box<dyn BufRead + Send>),
}

/// Why a console cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the console's transcript `{}` cannot be opened: {source}", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

impl Options {
    /// The console of this process's standard input, output and error. Lines are edited where both input and output
    /// are a terminal and posts are shown as text. `unread` is what [`Console::unread`] of an earlier program answered.
    pub fn stdio(mode: Mode, now: Now, session: [u8; 8], unread: Vec<u8>) -> Self {
        let terminal = mode == Mode::Text && io::stdin().is_terminal() && io::stdout().is_terminal();
        let input = if terminal { Input::Terminal } else { Input::Standard { unread } };
        Self { mode, input, output: Box::new(io::stdout()), notices: Box::new(io::stderr()), now, session }
    }
}

impl Console {
    /// Opens the console of a home and shows the last posts of earlier times. The home must not be opened by another
    /// process at the same time.
    pub fn open(home: &Path, options: Options) -> Result<Arc<Self>, OpenError> {
        let Options { mode, input, output, notices, now, session } = options;
        let path = home.join(TRANSCRIPT);
        let (transcript, recent) = match Transcript::open(&path, RECENT) {
            Ok(opened) => opened,
            Err(source) => return Err(OpenError { path, source }),
        };
        let mut screen = Screen::new(mode, output, notices);
        screen.show_history(&recent);
        let held = match &input {
            Input::Standard { unread } => Held::with(unread.clone()),
            Input::Terminal | Input::Lines(_) => Held::default(),
        };
        Ok(Arc::new(Self {
            history: home.join("console.history"),
            input: Mutex::new(Some(input)),
            updates: Updates::new(session),
            journal: Arc::new(Journal::new(transcript, screen, now)),
            recent: Mutex::default(),
            posts: watch::Sender::default(),
            held,
        }))
    }

    /// Tells the person at the console something that is not a post: on standard error, above the line that is being
    /// edited.
    pub fn notice(&self, text: &str) {
        self.journal.notice(text);
    }

    /// Stops reading standard input, and answers what was read of it and belongs to no message that was acted on. A line
    /// that a person was editing is not among it.
    pub fn unread(&self) -> Vec<u8> {
        self.held.stop()
    }

    pub(crate) fn request(&self, place: &Place, action: Action) -> Result<Request, RequestError> {
        let request = self.updates.request(&self.journal, place, action)?;
        self.recent().heard(&request);
        Ok(request)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until we have said something with this text in a thread.
    async fn said(&self, thread: &str, text: &str) {
        let mut posts = self.posts.subscribe();
        loop {
            posts.mark_unchanged();
            if self.recent().has_said(thread, text) || posts.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until all of these have been posted.
    pub(crate) async fn posted(&self, deliveries: &[String]) -> io::Result<Vec<Line>> {
        let mut posts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            posts.push(self.journal.wait(delivery).await?);
        }
        Ok(posts)
    }

    /// Opens the input: the answer says whether a person edits lines at it.
    fn start_reading(&self, commands: &Arc<dyn Commands>) -> Result<(Reader, Option<Session>), PlatformError> {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (lines, session): (Box<dyn Lines>, _) = match input {
            None => return Err(PlatformError::Broken("the console is already running".to_owned())),
            Some(Input::Lines(lines)) => (Box::new(Piped(lines)), None),
            Some(Input::Standard { .. }) => (Box::new(Piped(Box::new(Tape::new(self.held.clone())))), None),
            Some(Input::Terminal) => match editor::open(&self.history, Arc::clone(commands), &self.journal) {
                Ok((editor, session)) => (Box::new(editor), Some(session)),
                Err(error) => {
                    tracing::info!(%error, "no line editing in this terminal");
                    (Box::new(Piped(Box::new(Tape::new(self.held.clone())))), None)
                }
            },
        };
        let reader = Reader::start(lines)
            .map_err(|error| PlatformError::Broken(format!("no thread can be started to read lines: {error}")))?;
        Ok((reader, session))
    }

    /// Acts on one message; `false` when the person wants to leave. `at` changes with `/in` and `/as`.
    fn understand(&self, typed: &str, at: &mut Place) -> Understood {
        let action = match Typed::parse(typed) {
            Ok(Typed::Blank) => return Understood::Nothing,
            Ok(Typed::Quit) => return Understood::Quit,
            Ok(Typed::Wait(text)) => return Understood::Wait(text),
            Ok(Typed::In(thread)) => {
                at.thread = thread;
                return Understood::Nothing;
            }
            Ok(Typed::As(user)) => {
                at.user = user;
                return Understood::Nothing;
            }
            Ok(Typed::Message(text)) => Action::Text { text },
            Ok(Typed::Reply { message, text }) => Action::Reply { message, text },
            Ok(Typed::File { path, text }) => Action::Files { paths: vec![path.into()], text },
            Ok(Typed::Press { message, label }) => Action::Press { message, label },
            Err(misuse) => {
                self.notice(&misuse.to_string());
                return Understood::Nothing;
            }
        };
        match self.request(at, action) {
            Ok(request) => Understood::Request(Box::new(request)),
            Err(error) => {
                self.notice(&error.to_string());
                Understood::Nothing
            }
        }
    }
}

/// What is to be done about a message.
enum Understood {
    Request(Box<Request>),
    Wait(String),
    Nothing,
    Quit,
}

#[async_trait]
impl Platform for Console {
    fn name(&self) -> &str {
        PLATFORM
    }

    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError> {
        let (mut reader, session) = self.start_reading(&commands)?;
        let mut at = Place { thread: "main".to_owned(), user: "you".to_owned() };
        reader.ask(&at);
        loop {
            let heard = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                heard = reader.next() => heard,
            };
            let understood = match heard {
                None => return Ok(()),
                Some(Err(error)) => {
                    return Err(PlatformError::Broken(format!("the console's input cannot be read: {error}")));
                }
                Some(Ok(Heard::TooLong)) => {
                    self.notice(&format!("a message of more than {MESSAGE_LIMIT} bytes was not sent"));
                    Understood::Nothing
                }
                Some(Ok(Heard::Message(typed))) => self.understand(&typed, &mut at),
            };
            // From here on it is handled to its end, and must not be read again.
            self.held.acted();
            let request = match understood {
                Understood::Quit => return Ok(()),
                Understood::Nothing => {
                    reader.ask(&at);
                    continue;
                }
                Understood::Wait(text) => {
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(()),
                        said = timeout(WAIT_DEADLINE, self.said(&at.thread, &text)) => if said.is_err() {
                            self.notice(&format!("nothing with `{text}` came within a minute; going on"));
                        }
                    }
                    reader.ask(&at);
                    continue;
                }
                Understood::Request(request) => request,
            };
            if session.is_some() {
                // A person types on while the answer is under way.
                reader.ask(&at);
            }
            let Some(receipt) = until_grace(&shutdown, commands.handle((*request).clone())).await else {
                // By its number it is acted on once, also where it was done to its end just now.
                let batch = Batch { platform: PLATFORM.to_owned(), requests: vec![*request], position: None };
                self.notice(match commands.keep(batch).await {
                    Ok(()) => "stopped in the middle of a message, which is kept and acted on at the next start",
                    Err(NotKept(_)) => "stopped in the middle of a message",
                });
                return Ok(());
            };
            if receipt.is_left {
                self.notice("the gateway hands over or stops just now, and nothing was done; type the last line again");
                return Ok(());
            }
            if session.is_none() {
                // A script's next line may speak of the answer to this one.
                let answered = timeout(ANSWER_DEADLINE, self.posted(&receipt.deliveries));
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    answered = answered => match answered {
                        Ok(Ok(_posts)) => {}
                        Ok(Err(error)) => tracing::warn!(%error, "the transcript cannot be read"),
                        Err(_) => self.notice("no answer yet; it is stored and will be shown"),
                    },
                }
                reader.ask(&at);
            }
        }
    }

    /// The transcript knows every delivery that it has taken, so no attempt is ever in doubt.
    async fn post(&self, post: &Post, _in_doubt_since: Option<i64>) -> Result<String, PostError> {
        if matches!(post.kind, PostKind::Reaction { .. }) {
            return Ok(String::new());
        }
        let (journal, shown) = (Arc::clone(&self.journal), post.clone());
        match tokio::task::spawn_blocking(move || journal.post(&shown)).await {
            Ok(message) => {
                let message = message?;
                self.recent().posted(post);
                self.posts.send_modify(|posts| *posts += 1);
                Ok(message.to_string())
            }
            Err(error) => Err(PostError::Later(Duration::from_secs(1), format!("the post was interrupted: {error}"))),
        }
    }

    /// A file of this machine, as whoever sits at it may read it.
    async fn fetch(
        &self,
        file: &Incoming,
        limit: u64,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, FetchError> {
        let gone = |error: io::Error| FetchError::Refused(error.to_string());
        let mut source = tokio::fs::File::open(&file.handle).await.map_err(gone)?;
        if !source.metadata().await.map_err(gone)?.is_file() {
            return Err(FetchError::Refused("it is no file".to_owned()));
        }
        let mut intake = Intake::new(to, limit);
        let mut piece = vec![0; 64 << 10];
        loop {
            match source.read(&mut piece).await.map_err(gone)? {
                0 => return intake.end().await,
                length => intake.take(&piece[..length]).await?,
            }
        }
    }

    /// A thread of a channel needs nothing to be there.
    async fn open(&self, opening: &Opening) -> Result<Thread, PostError> {
        Ok(Thread { thread: Some(opening.task.clone()), ..opening.channel.clone() })
    }

    async fn recent(&self, thread: &Thread, before: Option<&str>, count: usize) -> Result<Vec<Message>, PostError> {
        Ok(self.recent().before(thread, before, count))
    }
}

/// Drives work to its end, or gives up some time after a shutdown was asked for.
async fn until_grace<T>(shutdown: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let grace = async {
        shutdown.cancelled().await;
        sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = grace => None,
    }
}
