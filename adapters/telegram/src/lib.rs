//! Telegram, on teloxide: commands, inline keyboards, topics and replies.
#![forbid(unsafe_code)]

mod address;
mod api;
mod asker;
mod examine;
mod fault;
mod fetch;
mod held;
mod inbound;
mod intake;
mod keyboard;
mod memory;
mod menu;
mod neutral;
mod opening;
mod options;
mod outbound;
mod pace;
mod pieces;
mod poll;
mod refusal;
mod register;
mod render;
mod spot;
mod update;
mod webhook;

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use kanban_platform::{
    Block, Commands, FetchError, Finding, Incoming, Intake as Taking, Look, Opening, Pace, Platform, PlatformError,
    Post, PostError, Said, Thread,
};
use serde::Deserialize;
use teloxide::payloads::GetMe;
use tokio::{io::AsyncWrite, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    address::Names, api::Api, fault::startup, inbound::Ears, intake::Intake, memory::Memory, options::Entrance,
    outbound::Outbound, register::Menus,
};
pub use crate::{
    menu::menu,
    options::{Mode, Options},
};

/// The kind of platform, as [`kanban_platform::Author::platform`] carries it.
pub const KIND: &str = "telegram";

/// How many forums may wait for their menus.
const FORUMS: usize = 64;

/// One bot on Telegram.
pub struct Telegram {
    name: String,
    entrance: Entrance,
    api: Arc<Api>,
    pace: Arc<Pace>,
    outbound: Arc<Outbound>,
    memory: Arc<Memory>,
    forums: Arc<Mutex<HashSet<i64>>>,
}

/// The bot itself, as far as it is asked for.
#[derive(Deserialize)]
struct Me {
    id: i64,
    username: String,
}

impl Telegram {
    /// Nothing is sent before [`Platform::run`] or [`Platform::post`].
    pub fn new(options: Options) -> Result<Arc<Self>, PlatformError> {
        let entrance = options.entrance()?;
        let api = Api::new(options.token()?, options.base()?)
            .map_err(|error| PlatformError::Broken(format!("no client for Telegram can be made: {error}")))?;
        let (api, pace, name) = (Arc::new(api), Arc::new(Pace::default()), options.name);
        let memory: Arc<Memory> = Arc::default();
        let outbound = Outbound::new(Arc::clone(&api), Arc::clone(&pace), Arc::clone(&memory), name.clone());
        let outbound = Arc::new(outbound);
        Ok(Arc::new(Self { name, entrance, api, pace, outbound, memory, forums: Arc::default() }))
    }

    async fn serve(&self, commands: Arc<dyn Commands>) -> Result<Infallible, PlatformError> {
        let me = self.identify().await?;
        let menus = Menus::new(Arc::clone(&self.api), Arc::clone(&self.pace), self.name.clone(), commands.spec());
        self.memory.introduce(me.id, &me.username);
        let names = Names { bot: me.id, username: me.username, commands: menus.commands() };
        let (forums, mut seen) = mpsc::channel(FORUMS);
        let intake = Intake {
            api: Arc::clone(&self.api),
            commands,
            ears: Ears { platform: self.name.clone(), names, memory: Arc::clone(&self.memory) },
            outbound: Arc::clone(&self.outbound),
            seen: Arc::clone(&self.forums),
            forums,
        };
        let receive = async {
            match &self.entrance {
                Entrance::Polling => poll::poll(&intake).await,
                Entrance::Webhook(webhook) => webhook::listen(&intake, webhook).await,
            }
        };
        tokio::select! {
            never = menus.tend(&mut seen) => match never {},
            received = receive => received,
        }
    }

    async fn identify(&self) -> Result<Me, PlatformError> {
        let me = self.api.call(&GetMe::new()).await.map_err(|fault| startup(&self.name, &fault))?;
        let me: Me = serde_json::from_value(me)
            .map_err(|error| PlatformError::Broken(format!("Telegram does not say who the bot is: {error}")))?;
        tracing::info!(platform = %self.name, bot = %me.username, "connected to Telegram");
        Ok(me)
    }
}

#[async_trait]
impl Platform for Telegram {
    fn name(&self) -> &str {
        &self.name
    }

    fn parts(&self, body: &[Block]) -> Vec<Vec<Block>> {
        render::parts(body)
    }

    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError> {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            served = self.serve(commands) => match served {
                Ok(never) => match never {},
                Err(error) => Err(error),
            },
        }
    }

    async fn examine(&self, look: &Look<'_>) -> Vec<Finding> {
        examine::examine(&self.name, &self.api, &self.entrance, look).await
    }

    /// Telegram knows no repeat of a new message and shows bots no history: one whose answer was lost is sent again,
    /// and may be seen twice. An edit has the same effect as often as it is made.
    async fn post(&self, post: &Post, _in_doubt_since: Option<i64>) -> Result<String, PostError> {
        self.outbound.post(post).await
    }

    /// A topic, where the chat is a forum and the bot may manage topics; else the chain of replies to the message, which
    /// needs no call. Telegram knows no repeat of a topic: one whose answer was lost stays empty, and the task's thread
    /// is the chain of replies.
    async fn open(&self, opening: &Opening) -> Result<Thread, PostError> {
        self.outbound.open(opening).await
    }

    async fn fetch(
        &self,
        file: &Incoming,
        limit: u64,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, FetchError> {
        let taking = Taking::new(to, limit);
        taking.expects(file.size)?;
        fetch::fetch(&self.api, &file.handle, taking).await
    }

    /// Telegram shows bots no history: these are the messages that passed by since the process began.
    async fn recent(&self, thread: &Thread, before: Option<&str>, count: usize) -> Result<Vec<Said>, PostError> {
        Ok(self.outbound.recent(thread, before, count))
    }
}
