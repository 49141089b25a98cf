//! The server itself: its state, its link to the app, and its record.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Router, extract::DefaultBodyLimit, routing};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    slack::{files, link::Link, response_url, signed::Endpoint, socket, state::State, web},
    wire::Wire,
};

/// How a workspace and its app are set up.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// The name by which the gateway knows the account: `slack`, or `slack.acme`.
    pub name: String,
    /// The id of the workspace.
    pub team: String,
    /// Where chance comes from.
    pub seed: u64,
    /// The address on which the gateway listens for signed requests; without one it comes over Socket Mode.
    pub listen: Option<String>,
    /// Within what time an envelope or a request is acknowledged.
    pub acknowledge_within: Duration,
    /// The time between two pings of a socket.
    pub ping_every: Duration,
    /// After what times an event that was not acknowledged comes again.
    pub redeliver_after: Vec<Duration>,
    /// How long a trigger opens a view.
    pub trigger_lives: Duration,
    /// How long a `response_url` works.
    pub response_url_lives: Duration,
    /// How long a socket lives on after it was told of its refresh.
    pub refresh_grace: Duration,
    /// The scopes that the bot's token has.
    pub scopes: BTreeSet<String>,
    /// The events that the app asked for.
    pub events: BTreeSet<String>,
    /// Whether calls beyond the published rates are refused with 429.
    pub has_rate_limits: bool,
}

impl Default for SlackOptions {
    fn default() -> Self {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            name: "slack".to_owned(),
            team: "T0FAKE0001".to_owned(),
            seed: 1,
            listen: None,
            acknowledge_within: Duration::from_secs(3),
            ping_every: Duration::from_secs(10),
            redeliver_after: vec![Duration::ZERO, Duration::from_secs(60), Duration::from_secs(300)],
            trigger_lives: Duration::from_secs(3),
            response_url_lives: Duration::from_secs(30 * 60),
            refresh_grace: Duration::from_secs(10),
            scopes: set(&[
                "app_mentions:read",
                "channels:history",
                "channels:read",
                "chat:write",
                "commands",
                "files:read",
                "files:read",
                "files:write",
                "groups:history",
                "groups:read",
                "im:history",
                "im:read",
                "im:write",
                "metadata.message:read",
                "mpim:history",
                "reactions:read",
                "reactions:write",
                "usergroups:read",
                "users:read",
            ]),
            events: set(&[
                "app_home_opened",
                "app_mention",
                "message.channels",
                "message.groups",
                "message.im",
                "message.mpim",
                "subteam_members_changed",
                "subteam_updated",
            ]),
            has_rate_limits: false,
        }
    }
}

pub(crate) struct Workspace {
    pub(crate) options: SlackOptions,
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    pub(crate) wire: Wire,
    pub(crate) link: Link,
    pub(crate) endpoint: Endpoint,
    pub(crate) stop: CancellationToken,
    state: Mutex<State>,
}

impl Workspace {
    /// Opens the workspace on a loopback port.
    pub(crate) async fn open(options: SlackOptions, stop: CancellationToken) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let workspace = Arc::new(Self {
            base: format!("http://{address}"),
            wire: Wire::default(),
            link: Link::new(options.seed),
            endpoint: Endpoint::new(options.listen.as_deref()),
            state: Mutex::new(State::new(&options.team, options.seed, options.scopes.clone())),
            stop: stop.clone(),
            options,
        });
        let router = Router::new()
            .route("/api/{method}", routing::any(web::answer))
            .route("/link/", routing::get(socket::accept))
            .route("/upload/v1/{ticket}", routing::post(files::upload))
            .route("/files-pri/{id}/{name}", routing::get(files::download))
            .route("/respond/{secret}", routing::post(response_url::answer))
            .layer(DefaultBodyLimit::max(64 * 1024 * 1024))
            .with_state(Arc::clone(&workspace));
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                served = async { axum::serve(listener, router).await } => served.expect("a loopback listener serves"),
            }
        });
        let timed = Arc::clone(&workspace);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = timed.keep_time() => {}
            }
        });
        workspace
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
