//! A board, a notifier and the real adapter of one platform, in this process, so that it can crash at any point.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use kanban_fakes::{Server, discord::DiscordServer, slack::SlackServer, telegram::TelegramServer};
use kanban_gateway::{
    board::{Actor, Board, BoardSlug, Boards, TaskId, Tx, create::NewTask, finish::HandOff, thread::Following},
    clock::Clock,
    gateway::platforms,
    notifier::{Notifier, Platforms},
    settings::{Environment, Settings},
};
use kanban_platform::{Block, Commands, Platform, PlatformError, Post, PostError, Thread};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The servers of the platforms that can fail.
pub(crate) async fn server(kind: &str) -> Arc<dyn Server> {
    match kind {
        "discord" => DiscordServer::start().await,
        "telegram" => TelegramServer::start().await,
        "slack" => SlackServer::start().await,
        kind => panic!("no server for {kind}"),
    }
}

/// The adapter of a server's platform, built from settings as the gateway does it.
pub(crate) fn adapter(server: &dyn Server) -> Arc<dyn Platform> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("kanban.toml"), server.settings()).unwrap();
    let settings = Settings::load(home.path(), &Environment::default()).unwrap();
    platforms::build(&settings, &Clock::system()).swap_remove(0)
}

/// Where the process dies around the next call of `post`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Before anything is sent.
    BeforeSend,
    /// After the platform has answered, before that is noted.
    BeforeRecording,
}

/// A platform during whose calls the process can die.
struct Mortal {
    platform: Arc<dyn Platform>,
    crashes: Arc<Mutex<Vec<Crash>>>,
    died: Arc<Notify>,
}

#[async_trait]
impl Platform for Mortal {
    fn name(&self) -> &str {
        self.platform.name()
    }

    fn parts(&self, body: &[Block]) -> Vec<Vec<Block>> {
        self.platform.parts(body)
    }

    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError> {
        self.platform.run(commands, shutdown).await
    }

    async fn post(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        let crash = self.crashes.lock().unwrap().pop();
        if crash == Some(Crash::BeforeSend) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        let answer = self.platform.post(post, in_doubt_since).await;
        if crash == Some(Crash::BeforeRecording) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        answer
    }
}

pub(crate) struct World {
    home: tempfile::TempDir,
    pub(crate) board: Board,
    boards: Boards,
    clock: Clock,
    server: Arc<dyn Server>,
    running: Option<Running>,
}

struct Running {
    shutdown: CancellationToken,
    notifying: JoinHandle<()>,
    crashes: Arc<Mutex<Vec<Crash>>>,
    died: Arc<Notify>,
}

impl World {
    pub(crate) async fn new(server: &Arc<dyn Server>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let boards = Boards::new(home.path(), Arc::default());
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        Self { home, board, boards, clock: Clock::system(), server: Arc::clone(server), running: None }
    }

    /// Starts a process of the gateway, as far as delivery goes.
    pub(crate) fn start(&mut self) {
        self.start_with(|_| {});
    }

    fn start_with(&mut self, prepare: impl FnOnce(&Self)) {
        let died = Arc::new(Notify::new());
        let crashes = Arc::new(Mutex::new(Vec::new()));
        let platform = adapter(&*self.server);
        let mut platforms = Platforms::new();
        let mortal = Mortal { platform: Arc::clone(&platform), crashes: Arc::clone(&crashes), died: Arc::clone(&died) };
        platforms.insert(platform.name().to_owned(), Arc::new(mortal));
        let notifier = Arc::new(Notifier::new(self.boards.clone(), platforms, self.clock.clone()));
        let shutdown = CancellationToken::new();
        let begin = Arc::new(Notify::new());
        let (began, stop) = (Arc::clone(&begin), shutdown.clone());
        let notifying = tokio::spawn(async move {
            began.notified().await;
            notifier.run(stop, Duration::from_secs(20)).await;
        });
        self.running = Some(Running { shutdown, notifying, crashes, died });
        prepare(self);
        begin.notify_one();
    }

    /// Lets the process die around its next post.
    pub(crate) fn will_crash(&self, crash: Crash) {
        self.running.as_ref().unwrap().crashes.lock().unwrap().push(crash);
    }

    /// Waits for the death that was arranged.
    pub(crate) async fn death(&self) {
        self.running.as_ref().unwrap().died.notified().await;
    }

    /// Ends the process as it is, and starts a new one that is made ready by `prepare` before it looks at the board.
    pub(crate) async fn restart(&mut self, prepare: impl FnOnce(&Self)) {
        let running = self.running.take().unwrap();
        running.notifying.abort();
        let _ = running.notifying.await;
        self.start_with(prepare);
    }

    /// Creates a task that a thread follows, and ends it with this summary: one post is owed.
    pub(crate) async fn owe(&self, thread: &Thread, summary: &str) -> TaskId {
        let person = Actor::Person { name: "console:ana".to_owned() };
        let now = self.clock.now();
        let mut tx = self.board.write().await.unwrap();
        let new = NewTask { title: format!("task of {thread}"), ..NewTask::default() };
        let task = tx.create(&person, "console:ana", new, now).await.unwrap().task;
        let following = Following { task: Some(task.id.clone()), ..Following::default() };
        tx.watch(thread, &following, None, now).await.unwrap();
        let hand_off = HandOff { summary: Some(summary.to_owned()), ..HandOff::default() };
        tx.complete(&person, &task.id, &hand_off, now).await.unwrap();
        tx.commit().await.unwrap();
        task.id
    }

    /// Waits until nothing is owed but what was refused for good.
    pub(crate) async fn settled(&self) {
        self.until_none(async |tx| tx.threads_owed().await.unwrap().len()).await;
    }

    /// Waits until there is nothing left on the board of what is counted.
    pub(crate) async fn until_none(&self, count: impl AsyncFn(&mut Tx) -> usize) {
        let mut commits: watch::Receiver<u64> = self.boards.wake().commits.subscribe();
        loop {
            commits.mark_unchanged();
            if count(&mut self.board.read().await.unwrap()).await == 0 {
                return;
            }
            tokio::time::timeout(Duration::from_secs(120), commits.changed()).await.expect("deliveries go on").unwrap();
        }
    }

    /// Tries what was refused again, as `kanban outbox retry` does. Answers how many there were.
    pub(crate) async fn retry(&self) -> u64 {
        let mut tx = self.board.write().await.unwrap();
        let count = tx.retry_deliveries(None, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        count
    }

    pub(crate) async fn stop(mut self) -> tempfile::TempDir {
        if let Some(running) = self.running.take() {
            running.shutdown.cancel();
            running.notifying.await.unwrap();
        }
        self.boards.close().await;
        self.home
    }
}
