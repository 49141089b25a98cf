//! A small gateway that remembers what it was asked to keep, beside a workspace of Slack's.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kanban_fakes::{
    Server,
    slack::{SlackOptions, SlackServer},
};
use kanban_platform::{
    Arg, Author, Batch, Block, Capability, Commands, Field, Kind, NotKept, Platform, PlatformError, Post, PostKind,
    Receipt, Request, Spec, Suggestion, Surface, Thread, Urgency,
};
use kanban_slack::{EVENTS, Mode, Options, SCOPES, Slack};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Remembers every batch; an update that comes again is not remembered twice.
pub(crate) struct Recorder {
    spec: Spec,
    kept: watch::Sender<Vec<Request>>,
    /// How many of the next calls fail.
    pub(crate) failures: AtomicUsize,
    pub(crate) asked: Mutex<Vec<Field>>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            spec: spec(),
            kept: watch::Sender::new(Vec::new()),
            failures: AtomicUsize::new(0),
            asked: Mutex::default(),
        })
    }

    /// Waits until so many requests are kept, and answers all of them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Request> {
        let mut kept = self.kept.subscribe();
        let waited = timeout(PATIENCE, kept.wait_for(|kept| kept.len() >= count)).await;
        let now = self.kept.borrow().clone();
        assert!(waited.is_ok(), "waited for {count} requests; there are {now:#?}");
        now
    }

    pub(crate) fn kept(&self) -> Vec<Request> {
        self.kept.borrow().clone()
    }
}

#[async_trait]
impl Commands for Recorder {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn keep(&self, batch: Batch) -> Result<(), NotKept> {
        let fails = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails {
            return Err(NotKept("the disk is full".to_owned()));
        }
        self.kept.send_modify(|kept| {
            for request in batch.requests {
                if kept.iter().all(|known| known.update != request.update) {
                    kept.push(request);
                }
            }
        });
        Ok(())
    }

    async fn handle(&self, _request: Request) -> Receipt {
        Receipt { deliveries: Vec::new(), exit: 0, is_left: false }
    }

    async fn position(&self, _platform: &str, _stream: &str) -> Result<Option<String>, NotKept> {
        Ok(None)
    }

    async fn threads(&self, _platform: &str) -> Result<Vec<Thread>, NotKept> {
        Ok(Vec::new())
    }

    async fn suggest(&self, field: &Field) -> Vec<Suggestion> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(field.clone());
        let known = [("t_1", "count the files"), ("t_2", "paint <it>")];
        known
            .iter()
            .filter(|(value, label)| value.contains(&field.typed) || label.contains(&field.typed))
            .map(|(value, label)| Suggestion { value: (*value).to_owned(), label: (*label).to_owned() })
            .collect()
    }

    async fn home(&self, author: &Author) -> Vec<Block> {
        vec![Block::Title("Your tasks".to_owned()), Block::Text(format!("of {}", author.id))]
    }
}

/// An adapter that runs against a workspace.
pub(crate) struct Running {
    pub(crate) slack: Arc<Slack>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) ended: JoinHandle<Result<(), PlatformError>>,
    pub(crate) stop: CancellationToken,
    _stops: DropGuard,
}

impl Running {
    /// Stops it, and waits until it has.
    pub(crate) async fn end(self) -> Result<(), PlatformError> {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.expect("it stops when it is asked to").expect("its task does not panic")
    }
}

/// A workspace whose app has what the manifest asks for, and nothing more.
pub(crate) fn workspace() -> SlackOptions {
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    // What was sent to a socket that has just gone comes again at once, and not after a minute.
    let redeliver_after = vec![Duration::from_millis(100); 30];
    SlackOptions { scopes: set(&SCOPES), events: set(&EVENTS), redeliver_after, ..SlackOptions::default() }
}

pub(crate) fn options(server: &SlackServer, listen: Option<&str>) -> Options {
    Options {
        name: "slack".to_owned(),
        bot_token: server.bot_token().to_owned(),
        app_token: Some(server.app_token().to_owned()),
        signing_secret: Some(server.signing_secret().to_owned()),
        api_base: Some(server.api_base()),
        mode: if listen.is_some() { Mode::Http } else { Mode::Socket },
        listen: listen.map(str::to_owned),
        now: Box::new(unix_millis),
    }
}

#[expect(clippy::disallowed_methods, reason = "the workspace lives by this clock too")]
fn unix_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn now() -> i64 {
    unix_millis()
}

/// Runs the adapter; it is connected when this returns.
pub(crate) async fn run(server: &SlackServer, listen: Option<&str>) -> Running {
    let running = run_unconnected(options(server, listen));
    server.connected().await;
    running
}

pub(crate) fn run_unconnected(options: Options) -> Running {
    let slack = Slack::new(options).expect("the settings are good");
    let (recorder, stop) = (Recorder::new(), CancellationToken::new());
    let (platform, commands, stopped) = (Arc::clone(&slack), Arc::clone(&recorder), stop.clone());
    let ended = tokio::spawn(async move { platform.run(commands, stopped).await });
    Running { slack, recorder, ended, _stops: stop.clone().drop_guard(), stop }
}

pub(crate) fn news(delivery: &str, thread: &Thread, text: &str) -> Post {
    Post {
        delivery: delivery.to_owned(),
        thread: thread.clone(),
        kind: PostKind::News,
        body: vec![Block::Text(text.to_owned())],
        buttons: Vec::new(),
        private: false,
        task: None,
        event: None,
        urgency: Urgency::News,
        prompts: false,
    }
}

pub(crate) fn reply(request: &Request, delivery: &str, text: &str, private: bool) -> Post {
    Post {
        kind: PostKind::Reply { update: request.update.clone(), return_address: request.return_address.clone() },
        private,
        urgency: Urgency::Reply,
        ..news(delivery, &request.thread, text)
    }
}

/// Fails if anything came in that the real platform would not take.
pub(crate) fn assert_nothing_wrong(server: &SlackServer) {
    let wrong = server.wire().wrong();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn spec() -> Spec {
    let verb = |name: &str, aliases: &[&str], args: Vec<Arg>| Spec {
        name: name.to_owned(),
        about: format!("about {name}"),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        usage: String::new(),
        args,
        verbs: Vec::new(),
        surface: Surface::Menu,
        capability: Capability::Write,
        shortcut: None,
        translations: BTreeMap::new(),
    };
    let arg = |name: &str, kind: Kind, required: bool, list: bool| Arg {
        name: name.to_owned(),
        about: format!("the {name}"),
        kind,
        required,
        list,
        positional: required,
        default: None,
    };
    let create = vec![
        arg("title", Kind::Text, true, true),
        arg("body", Kind::Prose, false, false),
        arg("assignee", Kind::Profile, false, false),
        arg("parent", Kind::Task, false, true),
        arg("priority", Kind::Integer, false, false),
    ];
    Spec {
        args: vec![arg("board", Kind::Board, false, false)],
        verbs: vec![verb("create", &["new"], create), verb("list", &["ls"], Vec::new())],
        ..verb("kanban", &[], Vec::new())
    }
}
