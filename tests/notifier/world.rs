//! A home with one fake platform, as the gateway would have it, part by part.

use std::{sync::Arc, time::Duration};

use kanban_fakes::{FakePlatform, thread};
use kanban_gateway::{
    board::{
        Actor, Board, BoardSlug, Boards, TaskId, create::NewTask, delivery::Delivery, finish::HandOff, task::Status,
        thread::Following,
    },
    clock::Clock,
    command::{Desk, SharedSettings},
    gateway::Gateway,
    notifier::{Notifier, Platforms},
    settings::{Environment, Settings},
};
use kanban_platform::{Author, Batch, Commands, Input, Platform, Position, Post, Receipt, Request, Thread};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const PLATFORM: &str = "fake";

/// Longer than anything in these tests takes; a test that reaches it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Who may do what, unless a test says it otherwise.
pub(crate) const SETTINGS: &str =
    "[access]\nowners = [\"fake:ana\"]\n[access.roles]\nmember = [\"fake:bob\"]\nguest = [\"fake:eve\"]\n";

/// How a process of the gateway is started.
pub(crate) struct Start {
    pub(crate) settings: String,
    pub(crate) clock: Clock,
    /// Whether it acts on what is kept.
    pub(crate) works: bool,
    /// How long the platform may take for one post, where a test cannot wait for the usual time.
    pub(crate) deadline: Option<Duration>,
}

impl Default for Start {
    fn default() -> Self {
        Self { settings: SETTINGS.to_owned(), clock: Clock::system(), works: true, deadline: None }
    }
}

/// A board, a gateway and a notifier around one fake platform.
pub(crate) struct World {
    home: TempDir,
    pub(crate) boards: Boards,
    pub(crate) board: Board,
    pub(crate) clock: Clock,
    pub(crate) platform: Arc<FakePlatform>,
    pub(crate) gateway: Arc<Gateway>,
    working: CancellationToken,
    delivering: CancellationToken,
    parts: Vec<JoinHandle<()>>,
    notifying: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new(platform: Arc<FakePlatform>) -> Self {
        Self::start(tempfile::tempdir().unwrap(), platform, Start::default()).await
    }

    /// A process of the gateway on a home that an earlier one may have used.
    pub(crate) async fn start(home: TempDir, platform: Arc<FakePlatform>, start: Start) -> Self {
        let Start { settings, clock, works, deadline } = start;
        std::fs::write(home.path().join("kanban.toml"), settings).unwrap();
        let environment = Environment::default();
        let settings = Settings::load(home.path(), &environment).unwrap();
        let boards = Boards::new(home.path(), Arc::default());
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        let desk = Desk {
            boards: boards.clone(),
            settings: SharedSettings::new(settings),
            environment: Arc::new(environment),
            clock: clock.clone(),
            gateway: None,
        };
        let mut platforms = Platforms::new();
        platforms.insert(PLATFORM.to_owned(), Arc::clone(&platform) as Arc<dyn Platform>);
        let gateway = Arc::new(Gateway::new(desk).with_platforms(platforms.clone()));
        let mut notifier = Notifier::new(boards.clone(), platforms, clock.clone());
        if let Some(deadline) = deadline {
            notifier = notifier.with_deadline(deadline);
        }
        let (working, delivering) = (CancellationToken::new(), CancellationToken::new());
        let notifying = tokio::spawn(Arc::new(notifier).run(delivering.clone(), Duration::from_secs(20)));
        let (chat, commands, stop) =
            (Arc::clone(&platform), Arc::clone(&gateway) as Arc<dyn Commands>, working.clone());
        let mut parts = vec![tokio::spawn(async move { chat.run(commands, stop).await.unwrap() })];
        if works {
            parts.push(tokio::spawn(Arc::clone(&gateway).work(working.clone())));
        }
        Self { home, boards, board, clock, platform, gateway, working, delivering, parts, notifying }
    }

    /// Ends the process and starts another one on the same home, before the same platform.
    pub(crate) async fn restart(self, start: Start) -> Self {
        let (platform, boards) = (Arc::clone(&self.platform), self.boards.clone());
        let home = self.end().await;
        boards.close().await;
        Self::start(home, platform, start).await
    }

    /// Lets the notifier deliver what is left, and ends everything but the home.
    pub(crate) async fn end(self) -> TempDir {
        self.working.cancel();
        for part in self.parts {
            part.await.unwrap();
        }
        self.delivering.cancel();
        self.notifying.await.unwrap();
        self.home
    }

    /// A task that a thread follows.
    pub(crate) async fn task(&self, follower: &Thread, title: &str) -> TaskId {
        let mut tx = self.board.write().await.unwrap();
        let new = NewTask { title: title.to_owned(), ..NewTask::default() };
        let task = tx.create(&ana(), "fake:ana", new, self.clock.now()).await.unwrap().task;
        let following = Following { task: Some(task.id.clone()), ..Following::default() };
        tx.watch(follower, &following, None, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        task.id
    }

    pub(crate) async fn complete(&self, id: &TaskId, summary: &str) {
        let mut tx = self.board.write().await.unwrap();
        let hand_off = HandOff { summary: Some(summary.to_owned()), ..HandOff::default() };
        tx.complete(&ana(), id, &hand_off, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A task that a thread follows and that is done, so that one post is owed.
    pub(crate) async fn done(&self, follower: &Thread, title: &str) -> TaskId {
        let id = self.task(follower, title).await;
        self.complete(&id, "fine").await;
        id
    }

    /// The answer that a receipt names.
    pub(crate) async fn post(&self, receipt: &Receipt) -> Post {
        let mut count = 1;
        loop {
            let attempts = self.platform.wait_for_attempts(count).await;
            count = attempts.len() + 1;
            if let Some(found) = attempts.into_iter().find(|attempt| attempt.post.delivery == receipt.deliveries[0]) {
                return found.post;
            }
        }
    }

    pub(crate) async fn status(&self, id: &TaskId) -> Status {
        self.board.read().await.unwrap().task(id).await.unwrap().status
    }

    pub(crate) async fn says(&self, update: &str, who: &str, place: &Thread, text: &str) -> Receipt {
        self.platform.inject(request(update, who, place, Input::Text(text.to_owned()), None)).await
    }

    /// Keeps messages of one person in one place, as an adapter does that confirms what it has handed over.
    pub(crate) async fn keeps(&self, place: &Thread, messages: &[(&str, &str)]) {
        self.gateway.keep(batch(texts("ana", place, messages), None)).await.unwrap();
    }

    /// What was kept and not acted on, by its update ids.
    pub(crate) async fn waiting(&self) -> Vec<String> {
        let waiting = self.board.read().await.unwrap().waiting_requests(0, 1_000).await.unwrap();
        waiting.into_iter().map(|(_, request)| request.unwrap().update).collect()
    }

    /// The titles of all tasks of a board, in the order in which they were made.
    pub(crate) fn titles(&self, board: &Board) -> Vec<String> {
        let database = sql(board);
        let query = "SELECT title FROM tasks JOIN events ON events.task_id = tasks.id AND events.kind = 'created' ORDER BY events.id";
        let mut query = database.prepare(query).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Waits until what a thread is owed next fits.
    pub(crate) async fn owed(&self, place: &Thread, what: &str, fits: impl Fn(&Delivery) -> bool) -> Delivery {
        let next = async || {
            let mut tx = self.board.read().await.unwrap();
            let owed = tx.threads_owed().await.unwrap().into_iter().find(|owed| owed.thread() == *place)?;
            tx.next_delivery(owed.id).await.unwrap().filter(|delivery| fits(delivery))
        };
        self.until(what, next).await
    }

    /// Waits until the file that a thread is owed next fits.
    pub(crate) async fn owed_file(&self, place: &Thread, what: &str, fits: impl Fn(&Delivery) -> bool) -> Delivery {
        let next = async || {
            let mut tx = self.board.read().await.unwrap();
            let owed = tx.threads_owed_files().await.unwrap().into_iter().find(|owed| owed.thread() == *place)?;
            tx.next_file(owed.id).await.unwrap().filter(|delivery| fits(delivery))
        };
        self.until(what, next).await
    }

    /// Waits until something has become true on the board.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let mut commits = self.boards.wake().commits.subscribe();
        let waiting = async {
            loop {
                commits.mark_unchanged();
                if let Some(found) = look().await {
                    return found;
                }
                commits.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came to pass: {what}"))
    }

    /// Tries everything again at once, as `kanban outbox retry` does.
    pub(crate) async fn retry(&self) {
        let mut tx = self.board.write().await.unwrap();
        tx.retry_deliveries(None, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Changes a board's file behind the gateway's back, which waits for its turn like any other writer.
pub(crate) async fn meddle(board: &Board, statement: &'static str) {
    let database = sql(board);
    tokio::task::spawn_blocking(move || database.execute_batch(statement).unwrap()).await.unwrap();
}

/// Another road to a board's file, for what no operation shows.
pub(crate) fn sql(board: &Board) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(board.file()).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database
}

pub(crate) fn request(update: &str, who: &str, place: &Thread, input: Input, reply_to: Option<&str>) -> Request {
    Request {
        update: update.to_owned(),
        author: author(who),
        thread: place.clone(),
        input,
        reply_to: reply_to.map(str::to_owned),
        addressed: true,
        return_address: None,
        is_channel: false,
        message: None,
        files: Vec::new(),
    }
}

/// Messages of one person, each with its update id.
pub(crate) fn texts(who: &str, place: &Thread, messages: &[(&str, &str)]) -> Vec<Request> {
    messages.iter().map(|(update, text)| request(update, who, place, Input::Text((*text).to_owned()), None)).collect()
}

pub(crate) fn batch(requests: Vec<Request>, position: Option<&str>) -> Batch {
    let position = position.map(|value| Position { stream: "updates".to_owned(), value: value.to_owned() });
    Batch { platform: PLATFORM.to_owned(), requests, position }
}

pub(crate) fn author(id: &str) -> Author {
    Author { platform: PLATFORM.to_owned(), id: id.to_owned(), name: id.to_owned(), groups: Vec::new() }
}

pub(crate) fn ana() -> Actor {
    Actor::Person { name: "fake:ana".to_owned() }
}

pub(crate) fn place(name: &str) -> Thread {
    thread(PLATFORM, name)
}
