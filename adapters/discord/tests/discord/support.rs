//! A small gateway: it keeps what it is given, answers as the test says, and delivers as the real one does.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use kanban_discord::{Discord, Options};
use kanban_fakes::{PATIENCE, Server, discord::DiscordServer};
use kanban_platform::{
    Arg, Author, Batch, Block, Button, Capability, Choice, Commands, Field, Kind, NotKept, Platform, PlatformError,
    Post, PostError, PostKind, Receipt, Request, Spec, Style, Suggestion, Surface, Thread, Urgency,
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

type Answer = Box<dyn Fn(&Request) -> Option<Post> + Send + Sync>;

/// The gateway's side, which outlives the adapter.
pub(crate) struct Desk {
    spec: Spec,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    answer: Answer,
    /// How long the board takes.
    slowness: Duration,
    pub(crate) is_broken: AtomicBool,
}

#[derive(Default)]
struct State {
    updates: HashSet<String>,
    requests: Vec<Request>,
    positions: HashMap<String, String>,
    threads: Vec<Thread>,
    platform: Option<Arc<Discord>>,
    fields: Vec<Field>,
    delivered: Vec<Result<String, PostError>>,
}

impl Desk {
    pub(crate) fn new(
        slowness: Duration,
        answer: impl Fn(&Request) -> Option<Post> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            spec: spec(),
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            answer: Box::new(answer),
            slowness,
            is_broken: AtomicBool::new(false),
        })
    }

    /// One that only listens.
    pub(crate) fn silent() -> Arc<Self> {
        Self::new(Duration::ZERO, |_| None)
    }

    /// One that answers everything with the same words.
    pub(crate) fn saying(slowness: Duration, text: &'static str, private: bool) -> Arc<Self> {
        Self::new(slowness, move |request| Some(Post { private, ..reply(request, vec![Block::Text(text.to_owned())]) }))
    }

    pub(crate) fn follow(&self, thread: &Thread) {
        self.state().threads.push(thread.clone());
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        self.state().fields.clone()
    }

    /// What became of the answers.
    pub(crate) fn delivered(&self) -> Vec<Result<String, PostError>> {
        self.state().delivered.clone()
    }

    pub(crate) fn position_of(&self, stream: &str) -> Option<String> {
        self.state().positions.get(stream).cloned()
    }

    pub(crate) async fn wait_until<T>(&self, what: &str, ready: impl Fn(&Self) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = ready(self) {
                    return found;
                }
                changes.changed().await.expect("the desk lives");
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited for {what}; kept: {:#?}", self.requests()))
    }

    /// Waits for so many requests, and answers them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Request> {
        self.wait_until("requests", |desk| Some(desk.requests()).filter(|requests| requests.len() >= count)).await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn respond(self: &Arc<Self>, requests: Vec<Request>) {
        for request in requests {
            let Some(post) = (self.answer)(&request) else { continue };
            let desk = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(desk.slowness).await;
                let platform = desk.state().platform.clone().expect("an adapter runs");
                let delivered = deliver(platform.as_ref(), &post).await;
                desk.state().delivered.push(delivered);
                desk.changed();
            });
        }
    }
}

/// The desk as the adapter sees it.
pub(crate) struct Handed(pub Arc<Desk>);

#[async_trait]
impl Commands for Handed {
    fn spec(&self) -> &Spec {
        &self.0.spec
    }

    async fn keep(&self, batch: Batch) -> Result<(), NotKept> {
        if self.0.is_broken.load(Ordering::SeqCst) {
            return Err(NotKept("disk full".to_owned()));
        }
        let new: Vec<Request> = {
            let mut state = self.0.state();
            if let Some(position) = batch.position {
                state.positions.insert(position.stream, position.value);
            }
            let new: Vec<Request> =
                batch.requests.into_iter().filter(|request| state.updates.insert(request.update.clone())).collect();
            state.requests.extend(new.clone());
            new
        };
        self.0.changed();
        self.0.respond(new);
        Ok(())
    }

    async fn handle(&self, _request: Request) -> Receipt {
        panic!("the adapter keeps what it hears")
    }

    async fn position(&self, _platform: &str, stream: &str) -> Result<Option<String>, NotKept> {
        Ok(self.0.position_of(stream))
    }

    async fn threads(&self, _platform: &str) -> Result<Vec<Thread>, NotKept> {
        Ok(self.0.state().threads.clone())
    }

    async fn suggest(&self, field: &Field) -> Vec<Suggestion> {
        self.0.state().fields.push(field.clone());
        let task = |number: usize| Suggestion { value: format!("t_{number}"), label: format!("t_{number} Fix it") };
        (0..60).map(task).filter(|task| task.value.starts_with(&field.typed)).collect()
    }

    async fn home(&self, _author: &Author) -> Vec<Block> {
        Vec::new()
    }
}

/// Delivers a post as the notifier does: a doubt is remembered from its beginning.
pub(crate) async fn deliver(platform: &Discord, post: &Post) -> Result<String, PostError> {
    let mut in_doubt_since = None;
    for _ in 0..40 {
        let began = now();
        match platform.post(post, in_doubt_since).await {
            Err(PostError::Ambiguous(_)) => in_doubt_since = in_doubt_since.or(Some(began)),
            Err(PostError::Later(wait, _)) => tokio::time::sleep(wait).await,
            done => return done,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a post is not delivered")
}

/// An adapter that runs.
pub(crate) struct Running {
    pub(crate) discord: Arc<Discord>,
    shutdown: CancellationToken,
    run: JoinHandle<Result<(), PlatformError>>,
}

impl Running {
    pub(crate) async fn start(server: &DiscordServer, desk: &Arc<Desk>) -> Self {
        Self::with(server, desk, |_| {}).await
    }

    /// Starts one and waits until it listens and its commands are there.
    pub(crate) async fn with(server: &DiscordServer, desk: &Arc<Desk>, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(server);
        change(&mut options);
        let earlier = server.connection_count();
        let running = Self::begin(Discord::new(options).expect("sound options"), desk);
        let is_here = || (server.connection_count() > earlier && server.connections() > 0).then_some(());
        server.wire().wait_until("the adapter's connection", is_here).await;
        server.wire().wait_until("the menu", || (!server.registered().is_empty()).then_some(())).await;
        running
    }

    pub(crate) fn begin(discord: Arc<Discord>, desk: &Arc<Desk>) -> Self {
        desk.state().platform = Some(Arc::clone(&discord));
        let shutdown = CancellationToken::new();
        let (running, token) = (Arc::clone(&discord), shutdown.clone());
        let commands = Arc::new(Handed(Arc::clone(desk)));
        let run = tokio::spawn(async move { running.run(commands, token).await });
        Self { discord, shutdown, run }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let ended = timeout(PATIENCE, self.run).await.expect("it stops").expect("it does not panic");
        assert_eq!(ended, Ok(()));
    }

    /// Dies without a goodbye.
    pub(crate) fn abort(self) {
        self.run.abort();
        self.shutdown.cancel();
    }

    pub(crate) async fn ended(self) -> PlatformError {
        timeout(PATIENCE, self.run).await.expect("it ends").expect("it does not panic").expect_err("it failed")
    }
}

pub(crate) fn options(server: &DiscordServer) -> Options {
    let settings = server.settings();
    let token = settings.split("token = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    Options {
        name: "discord".to_owned(),
        token: token.to_owned(),
        api_base: Some(server.api_base().to_owned()),
        message_content: true,
        guilds: Vec::new(),
        now: Box::new(now),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test takes the time where the gateway's clock would")]
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the far future")
}

/// A clock that the test sets forward.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn forward(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn boxed(&self) -> Box<dyn Fn() -> i64 + Send + Sync> {
        let ahead = Arc::clone(&self.0);
        Box::new(move || now() + ahead.load(Ordering::SeqCst))
    }
}

pub(crate) fn news(delivery: &str, thread: &Thread, body: Vec<Block>) -> Post {
    Post {
        delivery: delivery.to_owned(),
        thread: thread.clone(),
        kind: PostKind::News,
        body,
        buttons: Vec::new(),
        private: false,
        task: None,
        event: None,
        urgency: Urgency::News,
        prompts: false,
    }
}

pub(crate) fn text(text: &str) -> Vec<Block> {
    vec![Block::Text(text.to_owned())]
}

pub(crate) fn reply(request: &Request, body: Vec<Block>) -> Post {
    Post {
        kind: PostKind::Reply { update: request.update.clone(), return_address: request.return_address.clone() },
        urgency: Urgency::Reply,
        ..news(&format!("r.{}", request.update), &request.thread, body)
    }
}

pub(crate) fn button(label: &str) -> Button {
    Button { key: format!("b.{}", label.to_lowercase()), label: label.to_owned(), style: Style::Plain }
}

/// What a person reads, without the reference at the end of each message.
pub(crate) fn read(seen: &str) -> String {
    let without = |line: &str| match line.rfind('#') {
        Some(at) if line.len() - at == 9 => line[..at].trim_end_matches(" · ").to_owned(),
        Some(_) | None => line.to_owned(),
    };
    let lines: Vec<String> = seen.lines().map(without).collect();
    lines.join("\n").trim_end().to_owned()
}

/// What people see in a place.
pub(crate) fn shown(server: &DiscordServer, place: &Thread) -> Vec<String> {
    server.seen(place).iter().filter(|seen| seen.is_ours).map(|seen| read(&seen.text)).collect()
}

/// Waits until the bot has said so many things in a place.
pub(crate) async fn said(server: &DiscordServer, place: &Thread, count: usize) -> Vec<kanban_fakes::Seen> {
    let ours = || server.seen(place).into_iter().filter(|seen| seen.is_ours && !seen.text.is_empty()).collect();
    server.wire().wait_until("the bot's words", || Some(ours()).filter(|seen: &Vec<_>| seen.len() >= count)).await
}

pub(crate) fn arg(name: &str, kind: Kind) -> Arg {
    Arg {
        name: name.to_owned(),
        about: format!("The {name}"),
        kind,
        required: false,
        list: false,
        positional: false,
        default: None,
    }
}

pub(crate) fn verb(name: &str, capability: Capability, args: Vec<Arg>) -> Spec {
    Spec {
        name: name.to_owned(),
        about: format!("What {name} does"),
        aliases: Vec::new(),
        usage: format!("/kanban {name}"),
        args,
        verbs: Vec::new(),
        surface: Surface::Menu,
        capability,
        shortcut: None,
        translations: [("de".to_owned(), format!("Was {name} tut"))].into(),
    }
}

/// A declaration with one of everything.
pub(crate) fn spec() -> Spec {
    let choices = |count: usize| {
        let choice = |number| Choice { name: format!("choice{number}"), about: String::new() };
        Kind::Choice((0..count).map(choice).collect())
    };
    let title = Arg { required: true, positional: true, ..arg("title", Kind::Text) };
    let create = vec![
        arg("assignee", Kind::Profile),
        Arg { list: true, ..arg("parent", Kind::Task) },
        arg("workspace", Kind::Workspace),
        arg("tenant", Kind::Tenant),
        arg("priority", Kind::Integer),
        arg("triage", Kind::Flag),
        arg("max-retries", Kind::Integer),
        Arg { positional: true, ..arg("body", Kind::Prose) },
        title,
    ];
    let list = vec![arg("status", choices(9)), arg("sort", choices(30))];
    let show = vec![Arg { required: true, positional: true, ..arg("id", Kind::Task) }];
    let boards = Spec {
        verbs: vec![
            verb("list", Capability::Read, Vec::new()),
            verb("rm", Capability::Own, vec![Arg { required: true, positional: true, ..arg("slug", Kind::Board) }]),
            Spec { surface: Surface::Chat, ..verb("rename", Capability::Own, Vec::new()) },
        ],
        ..verb("boards", Capability::Read, Vec::new())
    };
    Spec {
        verbs: vec![
            verb("create", Capability::Write, create),
            verb("list", Capability::Read, list),
            verb("show", Capability::Read, show),
            boards,
            Spec { surface: Surface::Chat, ..verb("runs", Capability::Read, Vec::new()) },
        ],
        args: vec![arg("board", Kind::Board), arg("json", Kind::Flag)],
        ..verb("kanban", Capability::Read, Vec::new())
    }
}
