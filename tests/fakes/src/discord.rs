//! Discord: its HTTP API, and its gateway over a websocket.

mod account;
mod calls;
mod channel;
mod choose;
mod commands;
mod components;
mod cut;
mod description;
mod filling;
mod form;
mod gateway;
mod http;
mod interaction;
mod limits;
mod markdown;
mod mention;
mod message;
mod messages;
mod misbehave;
mod people;
mod read;
mod refusal;
mod route;
mod session;
mod snowflake;
mod state;
mod threads;

use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Router, routing::any};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::{channel::Permission, limits::Pace};
use self::{
    cut::{BreakableListener, Scissors},
    route::Route,
    session::Link,
    state::State,
};
use crate::wire::Wire;

/// Discord with one guild, in which the bot is, on a loopback socket.
///
/// ```
/// # use kanban_fakes::{Server, discord::DiscordServer};
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let discord = DiscordServer::start().await;
/// let ops = discord.channel("ops");
/// // A bot with these settings connects: discord.connected().await;
/// assert!(discord.settings().starts_with("[platforms.discord]"));
/// discord.mentions("ann", &ops, "list").await;
/// assert_eq!(discord.seen(&ops)[0].text, "@kanban list");
/// assert!(discord.wire().wrong().is_empty());
/// # });
/// ```
///
/// Channels named `@ann` are direct messages with Ann. A thread is a channel of its own on Discord: troubles of
/// [`Wire::trouble_channel`] name its id, and places hold the channel and the thread.
#[derive(Debug)]
pub struct DiscordServer {
    core: Arc<Core>,
    _serving: DropGuard,
}

/// What can be different from one Discord to another.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the application may read messages that are not for it. Without it, an IDENTIFY that asks for the intent
    /// is closed with 4014.
    pub message_content: bool,
    pub heartbeat_interval: Duration,
    /// How long an enforced nonce is remembered: Discord says "the past few minutes".
    pub nonce_window: Duration,
    pub acknowledge_within: Duration,
    /// How long an interaction's token is good for.
    pub token_life: Duration,
    pub pace: Pace,
    /// Holds the server's own answers against Discord's published description too.
    pub checks_itself: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            message_content: true,
            heartbeat_interval: Duration::from_millis(41_250),
            nonce_window: Duration::from_mins(2),
            acknowledge_within: Duration::from_secs(3),
            token_life: Duration::from_mins(15),
            pace: Pace::wide(),
            checks_itself: false,
        }
    }
}

impl DiscordServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// Where no loopback socket can be had.
    pub async fn start() -> Arc<Self> {
        Self::with(Options::default()).await
    }

    /// Starts one that differs from others.
    ///
    /// # Panics
    /// Where no loopback socket can be had.
    pub async fn with(options: Options) -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let (listener, address) = listener
            .and_then(|listener| {
                let address = listener.local_addr()?;
                Ok::<_, io::Error>((listener, address))
            })
            .unwrap_or_else(|error| panic!("no loopback socket: {error}"));
        let base = format!("http://{address}");
        let core = Arc::new(Core {
            state: Mutex::new(State::new(base.clone(), &options)),
            links: Mutex::default(),
            wire: Wire::default(),
            gateway: format!("ws://{address}/gw"),
            base,
            options,
        });
        let router = Router::new()
            .route("/gw", any(http::gateway))
            .route("/gw/", any(http::gateway))
            .route("/attachments/{*path}", any(http::file))
            .fallback(http::answer)
            .with_state(Arc::clone(&core));
        let service = router.into_make_service_with_connect_info::<Scissors>();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(
            async move { axum::serve(BreakableListener(listener), service).with_graceful_shutdown(stopped).await },
        );
        Arc::new(Self { core, _serving: stop.drop_guard() })
    }

    /// `http://127.0.0.1:…`, to which `/api/v10` belongs.
    pub fn api_base(&self) -> &str {
        &self.core.base
    }
}

/// What the routes and the connections share.
struct Core {
    state: Mutex<State>,
    /// Every connection to the gateway. Where both are locked, the state comes first.
    links: Mutex<Vec<Link>>,
    wire: Wire,
    base: String,
    gateway: String,
    options: Options,
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel that a call is about.
    fn channel(&self, route: &Route) -> Option<String> {
        match route {
            Route::Channel(id)
            | Route::Typing(id)
            | Route::Messages(id)
            | Route::Threads(id)
            | Route::ThreadMember(id)
            | Route::Message { channel: id, .. }
            | Route::Reaction { channel: id, .. }
            | Route::ThreadMemberOf { channel: id, .. }
            | Route::ThreadFrom { channel: id, .. } => Some(id.to_string()),
            Route::Callback { token, .. } | Route::FollowUps { token, .. } | Route::FollowUp { token, .. } => {
                self.state().channel_of_token(token).map(|id| id.to_string())
            }
            Route::Me
            | Route::Application
            | Route::Gateway
            | Route::GatewayBot
            | Route::DirectChannels
            | Route::Guild(_)
            | Route::GuildMember { .. }
            | Route::GuildChannels(_)
            | Route::ActiveThreads(_)
            | Route::Commands { .. }
            | Route::Command { .. } => None,
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("base", &self.base).finish_non_exhaustive()
    }
}
