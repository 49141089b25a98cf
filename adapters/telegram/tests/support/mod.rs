//! A board that keeps what the adapter hands over, and a bot on the fake server.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kanban_fakes::{Server, telegram::TelegramServer};
use kanban_platform::{
    Author, Batch, Block, Button, Capability, Commands, Field, Input, NotKept, Platform, PlatformError, Post, PostKind,
    Receipt, Request, Spec, Style, Suggestion, Surface, Thread, Urgency,
};
use kanban_telegram::{Mode, Options, Telegram};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// What is kept, as the gateway would keep it: over the death of an adapter.
pub(crate) struct Board {
    kept: Mutex<Kept>,
    changes: watch::Sender<u64>,
    refuses: AtomicBool,
    spec: Spec,
}

#[derive(Default)]
pub(crate) struct Kept {
    /// Every request, a repeated one as well.
    pub(crate) requests: Vec<Request>,
    pub(crate) positions: HashMap<String, String>,
    pub(crate) batches: usize,
    pub(crate) refused: usize,
}

impl Board {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            changes: watch::Sender::new(0),
            refuses: AtomicBool::new(false),
            spec: spec(),
        })
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no test panics with it in its hands")
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Release);
    }

    /// The effects: requests by the first of each update, as text.
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        self.kept().requests.iter().filter(|request| seen.insert(request.update.clone())).map(told).collect()
    }

    pub(crate) async fn wait_until<T>(&self, what: &str, ready: impl Fn(&Kept) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = ready(&self.kept()) {
                    return found;
                }
                changes.changed().await.expect("the board outlives its waiters");
            }
        };
        let found = timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| panic!("waited for {what}; there are {:?}", self.effects()))
    }

    /// Waits for so many requests and answers them.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Request> {
        let enough = |kept: &Kept| (kept.requests.len() >= count).then(|| kept.requests.clone());
        self.wait_until(&format!("{count} requests"), enough).await
    }
}

fn told(request: &Request) -> String {
    match &request.input {
        Input::Text(text) => text.clone(),
        Input::Words(words) => words.join(" "),
        Input::Press { message, button, words: _ } => format!("{button} of {message}"),
    }
}

#[async_trait]
impl Commands for Board {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn keep(&self, batch: Batch) -> Result<(), NotKept> {
        let is_refused = self.refuses.load(Ordering::Acquire);
        {
            let mut kept = self.kept();
            if is_refused {
                kept.refused += 1;
            } else {
                kept.batches += 1;
                kept.requests.extend(batch.requests);
                kept.positions.extend(batch.position.map(|position| (position.stream, position.value)));
            }
        }
        self.changes.send_modify(|count| *count += 1);
        if is_refused { Err(NotKept("the disk is full".to_owned())) } else { Ok(()) }
    }

    async fn handle(&self, _: Request) -> Receipt {
        panic!("Telegram hands over by `keep`")
    }

    async fn position(&self, _: &str, stream: &str) -> Result<Option<String>, NotKept> {
        Ok(self.kept().positions.get(stream).cloned())
    }

    async fn threads(&self, _: &str) -> Result<Vec<Thread>, NotKept> {
        Ok(Vec::new())
    }

    async fn suggest(&self, _: &Field) -> Vec<Suggestion> {
        Vec::new()
    }

    async fn home(&self, _: &Author) -> Vec<Block> {
        Vec::new()
    }
}

/// An adapter that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) telegram: Arc<Telegram>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), PlatformError>>,
}

impl Running {
    pub(crate) fn start(options: Options, board: &Arc<Board>) -> Self {
        let telegram = Telegram::new(options).expect("the options are right");
        let shutdown = CancellationToken::new();
        let (running, token, commands) = (Arc::clone(&telegram), shutdown.clone(), Arc::clone(board));
        let task = tokio::spawn(async move { running.run(commands, token).await });
        Self { telegram, shutdown, task }
    }

    pub(crate) async fn stop(self) -> Result<(), PlatformError> {
        self.shutdown.cancel();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> Result<(), PlatformError> {
        timeout(PATIENCE, self.task).await.expect("it ends").expect("it does not panic")
    }

    /// As a crash: nothing is finished.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

pub(crate) fn polling(server: &TelegramServer) -> Options {
    Options {
        name: "telegram".to_owned(),
        token: server.token().to_owned(),
        api_base: Some(server.api_base().to_owned()),
        mode: Mode::Polling,
        listen: None,
        webhook_url: None,
        webhook_secret: None,
    }
}

pub(crate) fn webhook(server: &TelegramServer) -> Options {
    Options {
        mode: Mode::Webhook,
        listen: Some("127.0.0.1:0".parse().expect("an address")),
        webhook_url: Some("http://127.0.0.1:0/telegram".to_owned()),
        webhook_secret: Some("s3cret".to_owned()),
        ..polling(server)
    }
}

/// A server, a board, and an adapter between them that polls.
pub(crate) async fn started() -> (Arc<TelegramServer>, Arc<Board>, Running) {
    let (server, board) = (TelegramServer::start().await, Board::new());
    let running = Running::start(polling(&server), &board);
    server.connected().await;
    (server, board, running)
}

pub(crate) fn post(thread: &Thread, kind: PostKind, body: Vec<Block>) -> Post {
    Post {
        delivery: "d1".to_owned(),
        thread: thread.clone(),
        kind,
        body,
        buttons: Vec::new(),
        private: false,
        task: None,
        event: None,
        urgency: Urgency::News,
        prompts: false,
    }
}

pub(crate) fn news(thread: &Thread, text: &str) -> Post {
    post(thread, PostKind::News, vec![Block::Text(text.to_owned())])
}

pub(crate) fn reply(request: &Request, text: &str) -> Post {
    let kind = PostKind::Reply { update: request.update.clone(), return_address: request.return_address.clone() };
    Post { urgency: Urgency::Reply, ..post(&request.thread, kind, vec![Block::Text(text.to_owned())]) }
}

pub(crate) fn button(key: &str, label: &str) -> Button {
    Button { key: key.to_owned(), label: label.to_owned(), style: Style::Plain }
}

fn verb(name: &str, shortcut: Option<&str>, about: &str, german: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        about: about.to_owned(),
        aliases: Vec::new(),
        usage: String::new(),
        args: Vec::new(),
        verbs: Vec::new(),
        surface: Surface::Menu,
        capability: Capability::Read,
        shortcut: shortcut.map(str::to_owned),
        translations: [("de".to_owned(), german.to_owned())].into(),
    }
}

pub(crate) fn spec() -> Spec {
    Spec {
        verbs: vec![
            verb("list", Some("tasks"), "List the tasks", "Aufgaben auflisten"),
            verb("show", Some("task"), "Show a task", "Eine Aufgabe zeigen"),
            verb("create", Some("new"), "Make a task", "Eine Aufgabe anlegen"),
            verb("answer", Some("answer"), "Answer a question", "Eine Frage beantworten"),
            verb("here", Some("here"), "What is in force here", "Was hier gilt"),
        ],
        ..verb("kanban", None, "Tasks on a board", "Aufgaben auf einem Brett")
    }
}
