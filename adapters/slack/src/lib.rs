//! Slack, on slack-morphism: slash commands, mentions, Block Kit, modals and the home tab.
//!
//! One road in, whichever way Slack reaches us: `socket` or `http` hand a payload to `intake`, which reads it
//! with `hear`, keeps what people asked for and only then lets it be acknowledged. One road out: `outbound`.
#![forbid(unsafe_code)]

mod ask;
mod blocks;
mod examine;
mod failure;
mod fetch;
mod files;
mod form;
mod groups;
mod hear;
mod history;
mod http;
mod intake;
mod manifest;
mod markup;
mod names;
mod outbound;
mod payload;
mod recent;
mod return_address;
mod socket;
mod web;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use kanban_platform::{
    Block, Commands, FetchError, Finding, Incoming, Intake as Taking, Look, Opening, Platform, PlatformError, Post,
    PostError, Said, Thread,
};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

pub use crate::manifest::{APP_SCOPES, COMMAND, EVENTS, SCOPES, manifest};
use crate::{
    examine::Account,
    fetch::Downloads,
    groups::Groups,
    hear::Hearing,
    intake::Intake,
    names::Names,
    outbound::Outbound,
    recent::Recent,
    web::{Identity, Web},
};

/// The kind of platform, as [`kanban_platform::Author::platform`] carries it.
pub const KIND: &str = "slack";

/// A source of the time, in unix milliseconds.
pub type Now = Box<dyn Fn() -> i64 + Send + Sync>;

/// How Slack reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// We open websockets to Slack: nothing of ours needs to be reachable.
    Socket,
    /// Slack calls us, and signs what it says.
    Http,
}

/// Everything that one workspace's adapter has from outside.
pub struct Options {
    /// The name of the platform: `slack`, or `slack.acme` for one of several workspaces.
    pub name: String,
    /// Begins with `xoxb-`.
    pub bot_token: String,
    /// Begins with `xapp-`. Socket mode needs it.
    pub app_token: Option<String>,
    /// HTTP mode needs it.
    pub signing_secret: Option<String>,
    /// The address of the Web API, for tests and for workspaces that are elsewhere.
    pub api_base: Option<String>,
    pub mode: Mode,
    /// The address to listen on, as in `127.0.0.1:8080`. HTTP mode needs it.
    pub listen: Option<String>,
    pub now: Now,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("api_base", &self.api_base)
            .field("mode", &self.mode)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// One workspace of Slack, as a platform.
pub struct Slack {
    name: String,
    road: Road,
    account: Account,
    web: Arc<Web>,
    outbound: Outbound,
    downloads: Downloads,
    recent: Recent,
    names: Arc<Names>,
    groups: Arc<Groups>,
    /// Who we are, once Slack has said so.
    us: OnceLock<Identity>,
    now: Arc<Now>,
}

/// The way in, with what it needs.
enum Road {
    Socket { app_token: String },
    Http { signing_secret: String, listen: SocketAddr },
}

impl Slack {
    /// Checks the settings; nothing is called yet.
    pub fn new(options: Options) -> Result<Arc<Self>, PlatformError> {
        let Options { name, bot_token, app_token, signing_secret, api_base, mode, listen, now } = options;
        let wrong = |what: &str| PlatformError::Misconfigured(format!("[platforms.{name}] {what}"));
        let bot_token = given(Some(bot_token)).ok_or_else(|| wrong("needs `bot_token`, which begins with `xoxb-`"))?;
        let road = match mode {
            Mode::Socket => Road::Socket {
                app_token: given(app_token)
                    .ok_or_else(|| wrong("needs `app_token`, which begins with `xapp-`, for `mode = \"socket\"`"))?,
            },
            Mode::Http => {
                let listen = given(listen)
                    .ok_or_else(|| wrong("needs `listen`, as in `127.0.0.1:8080`, for `mode = \"http\"`"))?;
                Road::Http {
                    signing_secret: given(signing_secret)
                        .ok_or_else(|| wrong("needs `signing_secret` for `mode = \"http\"`"))?,
                    listen: listen.parse().map_err(|_| {
                        wrong(&format!("`listen` is an address and a port, as in `127.0.0.1:8080`, not `{listen}`"))
                    })?,
                }
            }
        };
        let web = Arc::new(Web::new(&bot_token, api_base.as_deref()));
        let now = Arc::new(now);
        let outbound = Outbound::new(Arc::clone(&web), Arc::clone(&now));
        let downloads = Downloads::new(Arc::clone(&web), &bot_token, api_base.as_deref())
            .map_err(|error| PlatformError::Broken(format!("no client for Slack's files can be made: {error}")))?;
        let names = Arc::new(Names::new(Arc::clone(&web)));
        let groups = Arc::new(Groups::new(Arc::clone(&web)));
        let recent = Recent::new(Arc::clone(&web), Arc::clone(&now), Arc::clone(&names));
        let account = Account { bot_token, api_base };
        Ok(Arc::new(Self {
            name,
            road,
            account,
            web,
            outbound,
            downloads,
            recent,
            names,
            groups,
            us: OnceLock::new(),
            now,
        }))
    }
}

#[async_trait]
impl Platform for Slack {
    fn name(&self) -> &str {
        &self.name
    }

    fn parts(&self, body: &[Block]) -> Vec<Vec<Block>> {
        blocks::parts(body)
    }

    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError> {
        let us = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            us = self.web.identify() => us?,
        };
        tracing::info!(platform = %self.name, team = %us.team, bot = %us.user, "connected to Slack");
        let us = self.us.get_or_init(|| us).clone();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = self.groups.start() => {}
        }
        // What runs beside the road ends with it.
        let stop = shutdown.child_token();
        let _ends = stop.clone().drop_guard();
        let people = (Arc::clone(&self.names), Arc::clone(&self.groups));
        let hearing = Hearing::new(self.name.clone(), us, Arc::clone(&self.names), Arc::clone(&self.groups));
        let intake =
            Intake::start(hearing, commands, people, Arc::clone(&self.web), Arc::clone(&self.now), stop.clone());
        let groups = Arc::clone(&self.groups);
        intake.beside(async move { groups.keep().await });
        match &self.road {
            Road::Socket { app_token } => socket::run(&self.web, app_token, &intake, &stop).await,
            Road::Http { signing_secret, listen } => http::run(*listen, signing_secret, intake, stop).await,
        }
    }

    async fn examine(&self, look: &Look<'_>) -> Vec<Finding> {
        examine::examine(&self.account, &self.web, &self.road, look).await
    }

    async fn post(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        self.outbound.post(post, in_doubt_since).await
    }

    async fn fetch(
        &self,
        file: &Incoming,
        limit: u64,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, FetchError> {
        let taking = Taking::new(to, limit);
        taking.expects(file.size)?;
        self.downloads.fetch(&file.handle, taking).await
    }

    async fn open(&self, opening: &Opening) -> Result<Thread, PostError> {
        Outbound::open(opening)
    }

    async fn recent(&self, thread: &Thread, before: Option<&str>, count: usize) -> Result<Vec<Said>, PostError> {
        let us = match self.us.get() {
            Some(us) => us.clone(),
            None => match self.web.identify().await {
                Ok(us) => self.us.get_or_init(|| us).clone(),
                Err(_) => return Ok(Vec::new()),
            },
        };
        Ok(self.recent.said(&us, thread, before, count).await)
    }
}

fn given(setting: Option<String>) -> Option<String> {
    setting.filter(|setting| !setting.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Mode, Options, Slack};

    fn options(mode: Mode) -> Options {
        Options {
            name: "slack.acme".to_owned(),
            bot_token: "xoxb-secret".to_owned(),
            app_token: None,
            signing_secret: None,
            api_base: None,
            mode,
            listen: Some("localhost".to_owned()),
            now: Box::new(|| 0),
        }
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is_shown() {
        let refused = Slack::new(options(Mode::Socket)).err().unwrap().to_string();
        assert_eq!(
            refused,
            "[platforms.slack.acme] needs `app_token`, which begins with `xapp-`, for `mode = \"socket\"`"
        );
        let refused = Slack::new(Options { signing_secret: Some("s".to_owned()), ..options(Mode::Http) });
        assert_eq!(
            refused.err().unwrap().to_string(),
            "[platforms.slack.acme] `listen` is an address and a port, as in `127.0.0.1:8080`, not `localhost`"
        );
        assert!(!format!("{:?}", options(Mode::Http)).contains("secret"));
    }
}
