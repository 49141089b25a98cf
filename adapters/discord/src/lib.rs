//! Discord, on serenity: slash commands, buttons, threads and messages.
#![forbid(unsafe_code)]

mod access;
mod api;
mod branch;
mod drawing;
mod examine;
mod failure;
mod fetch;
mod form;
mod gateway;
mod history;
mod inbound;
mod inbox;
mod interaction;
mod lane;
mod mark;
mod markup;
mod member;
mod menu;
mod outgoing;
mod places;
mod registration;
mod said;
mod snowflake;
mod talk;
mod token;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use kanban_platform::{
    Block, Commands, FetchError, Finding, Incoming, Intake, Look, Opening, Platform, PlatformError, Post, PostError,
    PostKind, Said, Thread,
};
use serenity::model::id::{GuildId, MessageId};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

pub use crate::{
    access::{INTENTS, PERMISSIONS, SCOPES, invitation, permissions},
    menu::{WHOLE, menu, size},
    token::application_of,
};
use crate::{
    api::Api,
    inbound::{Inbound, ReturnAddress},
    inbox::{Arrival, Inbox},
    interaction::Interactions,
    outgoing::{Outgoing, Target, parse, refused},
    places::{Places, target},
    said::Ourselves,
    token::Token,
};

/// The kind of platform, as authors carry it.
pub const KIND: &str = "discord";

/// What a log leaves out of what serenity says, as directives for a filter: it quotes what it cannot read.
pub const QUIET: &str = "serenity=error,serenity::gateway::ws=off";

/// How one bot is run.
pub struct Options {
    /// The name of the platform: `discord`, or `discord.acme` for one of several bots.
    pub name: String,
    /// The bot's token.
    pub token: String,
    /// Where the API is, if not at Discord: scheme, host and port.
    pub api_base: Option<String>,
    /// Read all messages, not only those that mention the bot. The app needs the Message Content Intent for it.
    pub message_content: bool,
    /// Register the commands in these guilds alone, where a change is seen at once.
    pub guilds: Vec<String>,
    /// The time, in unix milliseconds.
    pub now: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = f.debug_struct("Options");
        options.field("name", &self.name).field("api_base", &self.api_base);
        options.field("message_content", &self.message_content).field("guilds", &self.guilds).finish_non_exhaustive()
    }
}

/// One bot on Discord.
pub struct Discord {
    name: String,
    api: Arc<Api>,
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    outgoing: Arc<Outgoing>,
    interactions: Arc<Interactions>,
    places: Arc<Places>,
    message_content: bool,
    guilds: Vec<GuildId>,
    /// The way to those who read channels, while there is one.
    inbox: Mutex<Option<Inbox>>,
}

impl Discord {
    pub fn new(options: Options) -> Result<Arc<Self>, PlatformError> {
        let Options { name, token, api_base, message_content, guilds, now } = options;
        if token.trim().is_empty() {
            return Err(PlatformError::Misconfigured("the token of the Discord bot is empty".to_owned()));
        }
        if !token.trim().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(PlatformError::Misconfigured(
                "the token of the Discord bot has characters that no token has".to_owned(),
            ));
        }
        if let Some(base) = &api_base
            && !url::Url::parse(base).is_ok_and(|base| matches!(base.scheme(), "http" | "https") && base.has_host())
        {
            return Err(PlatformError::Misconfigured(format!(
                "`{base}` is no address of an API: https://host:port is"
            )));
        }
        let guilds = guilds
            .iter()
            .map(|guild| {
                parse(guild).map(GuildId::new).ok_or_else(|| {
                    PlatformError::Misconfigured(format!("`{guild}` in `guilds` is no id of a guild, a long number"))
                })
            })
            .collect::<Result<_, _>>()?;
        let now: Arc<dyn Fn() -> i64 + Send + Sync> = Arc::from(now);
        let api = Api::new(Arc::new(Token::new(&token)), api_base).map_err(PlatformError::Broken)?;
        let api = Arc::new(api);
        let outgoing = Arc::new(Outgoing::new(Arc::clone(&api), Arc::clone(&now)));
        let interactions = Interactions::new(Arc::clone(&api), Arc::clone(&outgoing), Arc::clone(&now));
        Ok(Arc::new(Self {
            places: Arc::new(Places::new(name.clone(), Arc::clone(&api))),
            name,
            api,
            now,
            outgoing,
            interactions: Arc::new(interactions),
            message_content,
            guilds,
            inbox: Mutex::default(),
        }))
    }

    async fn deliver(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        let Some(channel) = target(&post.thread) else {
            return Err(refused("no id of a channel", &post.thread.to_string()));
        };
        let here = Target { channel, answers: None };
        match &post.kind {
            PostKind::News => self.outgoing.send(post, here, in_doubt_since).await,
            PostKind::Reaction { message } => self.outgoing.react(post, channel, message).await.map(|()| String::new()),
            PostKind::Edit { message } => self.outgoing.edit(post, channel, message).await,
            PostKind::Reply { return_address, .. } => {
                let address = return_address.as_deref().and_then(|address| serde_json::from_str(address).ok());
                match address {
                    Some(ReturnAddress::Interaction(address)) => {
                        self.interactions.answer(post, address, channel, in_doubt_since).await
                    }
                    Some(ReturnAddress::Message(_)) | None if post.body.is_empty() => Ok(String::new()),
                    Some(ReturnAddress::Message(message)) => {
                        let answers = Some(message).filter(|message| *message != 0).map(MessageId::new);
                        self.outgoing.send(post, Target { channel, answers }, in_doubt_since).await
                    }
                    None => self.outgoing.send(post, here, in_doubt_since).await,
                }
            }
        }
    }

    fn inbox(&self) -> std::sync::MutexGuard<'_, Option<Inbox>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Platform for Discord {
    fn name(&self) -> &str {
        &self.name
    }

    fn parts(&self, body: &[Block]) -> Vec<Vec<Block>> {
        drawing::parts(body)
    }

    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError> {
        let (inbox, arrivals) = Inbox::new();
        *self.inbox() = Some(inbox.clone());
        // Ends what belongs to this run, also when it ends by itself.
        let ends = shutdown.child_token();
        let inbound = Arc::new(Inbound {
            name: self.name.clone(),
            commands: Arc::clone(&commands),
            inbox,
            api: Arc::clone(&self.api),
            outgoing: Arc::clone(&self.outgoing),
            interactions: Arc::clone(&self.interactions),
            places: Arc::clone(&self.places),
            now: Arc::clone(&self.now),
            shutdown: ends.clone(),
            us: Mutex::new(Ourselves::default()),
        });
        // What has come in is handed over after the connection was closed.
        let closed = CancellationToken::new();
        let listening = async {
            let intents = access::intents(self.message_content);
            let ended = gateway::listen(&self.api, &inbound, intents, self.guilds.clone()).await;
            ends.cancel();
            closed.cancel();
            ended
        };
        let (ended, ()) = tokio::join!(listening, inbox::drain(&self.name, commands.as_ref(), arrivals, &closed));
        *self.inbox() = None;
        ended
    }

    async fn examine(&self, look: &Look<'_>) -> Vec<Finding> {
        let bot = examine::Bot { api: &self.api, message_content: self.message_content, guilds: &self.guilds };
        examine::examine(&bot, look).await
    }

    async fn open(&self, opening: &Opening) -> Result<Thread, PostError> {
        let thread = branch::open(&self.api, opening).await?;
        if let (Some(channel), Some(inbox)) = (target(&thread), self.inbox().as_ref()) {
            inbox.put(Arrival::Watched { channel, id: channel.get() });
        }
        Ok(thread)
    }

    async fn recent(&self, thread: &Thread, before: Option<&str>, count: usize) -> Result<Vec<Said>, PostError> {
        let Some(channel) = target(thread) else {
            return Err(refused("no id of a channel", &thread.to_string()));
        };
        self.outgoing.recent(channel, before.and_then(parse), count).await
    }

    async fn fetch(
        &self,
        file: &Incoming,
        limit: u64,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, FetchError> {
        let intake = Intake::new(to, limit);
        intake.expects(file.size)?;
        fetch::fetch(&self.api, &file.handle, intake).await
    }

    async fn post(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        let sent = self.deliver(post, in_doubt_since).await?;
        // Somebody follows this channel, so it is one to be read after a restart.
        if let (Some(channel), Some(id)) = (target(&post.thread), parse(&sent))
            && !matches!(post.kind, PostKind::Edit { .. })
            && let Some(inbox) = self.inbox().as_ref()
        {
            inbox.put(Arrival::Watched { channel, id });
        }
        Ok(sent)
    }
}
