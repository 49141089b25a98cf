//! Events of Discord as requests to the gateway.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kanban_platform::{
    Author, Batch, Block, Capability, Commands, Field, Input, Post, PostKind, Request, Thread, Urgency,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serenity::model::{
    application::{CommandInteraction, CommandType, ComponentInteraction, Interaction},
    channel::Message,
    id::{ApplicationId, ChannelId, GuildId, InteractionId},
    user::User,
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    KIND,
    api::CallError,
    drawing::cut,
    form::{Form, task_of_message},
    inbox::{Arrival, Inbox},
    interaction::{Address, Interactions, Kind, Open},
    menu::TASK_OF_MESSAGE,
    outgoing::Outgoing,
    places::Places,
    said::{Ourselves, said},
};

/// How long proposals may take, of the three seconds.
const PROPOSALS: Duration = Duration::from_millis(2_400);

/// How many proposals Discord shows, and how long each may be.
const PROPOSED: usize = 25;
const PROPOSAL: usize = 100;

/// How long a command may wait for a board that does not take it. The person waits too, so it is not long.
const KEEP_COMMAND: Duration = Duration::from_secs(60);

/// What [`PostKind::Reply`] needs in order to answer in place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReturnAddress {
    Interaction(Address),
    Message(u64),
}

/// The way from Discord's events to the gateway.
pub(crate) struct Inbound {
    pub(crate) name: String,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) inbox: Inbox,
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) interactions: Arc<Interactions>,
    pub(crate) places: Arc<Places>,
    pub(crate) now: Arc<dyn Fn() -> i64 + Send + Sync>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) us: Mutex<Ourselves>,
}

impl Inbound {
    /// Takes a message that was just written.
    pub(crate) async fn message(&self, message: &Message) {
        let (channel, id) = (message.channel_id, message.id.get());
        let mut request = None;
        if said(message, &self.us()).is_some() {
            match self.place(channel, message.guild_id).await {
                Some(thread) => request = self.request(message, thread).map(Box::new),
                None => return,
            }
        }
        self.inbox.put(Arrival::Message { channel, id, request });
    }

    /// The request that a message is. None where it is for nobody.
    pub(crate) fn request(&self, message: &Message, thread: Thread) -> Option<Request> {
        let said = said(message, &self.us())?;
        let is_private = thread.space.is_empty();
        Some(Request {
            update: format!("m{}", message.id),
            author: author(&message.author),
            thread,
            input: Input::Text(said.text),
            reply_to: said.reply_to,
            addressed: is_private || said.is_to_us,
            return_address: written(&ReturnAddress::Message(message.id.get())),
        })
    }

    /// Takes an interaction, which must be acknowledged in three seconds.
    pub(crate) async fn interaction(&self, interaction: Interaction, arrived: Instant) {
        match interaction {
            Interaction::Command(command) => self.command(command, arrived).await,
            Interaction::Autocomplete(command) => self.proposals(&command, arrived).await,
            Interaction::Component(press) => self.press(press, arrived).await,
            // The first is for apps without a gateway connection. We open no forms.
            Interaction::Ping(_) | Interaction::Modal(_) => {}
            _ => {}
        }
    }

    async fn command(&self, command: CommandInteraction, arrived: Instant) {
        let spec = self.commands.spec();
        let address = self.address(command.id, command.application_id, &command.token, &command.user);
        let (input, reads) = if command.data.kind == CommandType::Message && command.data.name == TASK_OF_MESSAGE {
            let target = command.data.target_id.map(serenity::all::TargetId::to_message_id);
            let message = target.and_then(|id| command.data.resolved.messages.get(&id));
            let input = match message {
                Some(message) => {
                    let link = link(command.guild_id, command.channel_id, message);
                    task_of_message(spec, message.author.display_name(), &message.content, &link)
                }
                None => Err("Discord did not send the message along".to_owned()),
            };
            (input, false)
        } else {
            let form = Form::of(&command.data.options);
            let path: Vec<&str> = form.path.iter().map(String::as_str).collect();
            let reads = spec.at(&path).is_none_or(|verb| verb.capability == Capability::Read);
            (form.input(spec), reads)
        };
        let open = self.interactions.open(address, arrived, Kind::Command { reads });
        if let Some(channel) = &command.channel {
            self.places.learn_place(command.channel_id, command.guild_id, channel.kind, channel.parent_id);
        }
        self.interact(&open, command.id, command.channel_id, command.guild_id, &command.user, input).await;
    }

    async fn press(&self, press: ComponentInteraction, arrived: Instant) {
        let address = self.address(press.id, press.application_id, &press.token, &press.user);
        let open = self.interactions.open(address, arrived, Kind::Press);
        if let Some(channel) = &press.channel {
            self.places.learn_place(press.channel_id, press.guild_id, channel.kind, channel.parent_id);
        }
        let input = Input::Press { message: press.message.id.to_string(), button: press.data.custom_id };
        self.interact(&open, press.id, press.channel_id, press.guild_id, &press.user, Ok(input)).await;
    }

    /// Keeps what a person did, and acknowledges it in time whatever that takes.
    async fn interact(
        &self,
        open: &Open,
        id: InteractionId,
        channel: ChannelId,
        guild: Option<GuildId>,
        user: &User,
        input: Result<Input, String>,
    ) {
        let keeping = async {
            let Some(thread) = self.place(channel, guild).await else {
                self.tell(open, channel, "Discord does not say where this was typed; please try again.").await;
                return;
            };
            let input = match input {
                Ok(input) => input,
                Err(problem) => return self.tell(open, channel, &format!("This was not understood: {problem}.")).await,
            };
            let request = Request {
                update: format!("i{id}"),
                author: author(user),
                thread,
                input,
                reply_to: None,
                addressed: true,
                return_address: written(&ReturnAddress::Interaction(open.address().clone())),
            };
            let batch = Batch { platform: self.name.clone(), requests: vec![request], position: None };
            if self.keep(batch).await {
                self.inbox.put(Arrival::Watched { channel, id: id.get() });
            } else {
                self.tell(open, channel, "The board cannot be used right now, so nothing was done. Please try again.")
                    .await;
            }
        };
        tokio::join!(keeping, self.interactions.hold(open));
    }

    async fn keep(&self, batch: Batch) -> bool {
        let deadline = Instant::now() + KEEP_COMMAND;
        let mut wait = Duration::from_millis(100);
        loop {
            match timeout_at(deadline, self.commands.keep(batch.clone())).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => tracing::warn!(%error, "a command cannot be kept yet"),
                Err(_) => return false,
            }
            if Instant::now() + wait >= deadline {
                return false;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                () = sleep(wait) => {}
            }
            wait *= 2;
        }
    }

    /// Says something to the person alone that the gateway knows nothing of.
    async fn tell(&self, open: &Open, channel: ChannelId, text: &str) {
        let post = Post {
            delivery: format!("i{}", open.address().interaction),
            thread: Thread {
                platform: self.name.clone(),
                space: String::new(),
                channel: channel.to_string(),
                thread: None,
            },
            kind: PostKind::News,
            body: vec![Block::Text(text.to_owned())],
            buttons: Vec::new(),
            private: true,
            task: None,
            event: None,
            urgency: Urgency::Reply,
        };
        if let Err(error) = self.interactions.answer(&post, open.address().clone(), channel, None).await {
            tracing::warn!(%error, "a person could not be told that their command was not taken");
        }
    }

    async fn proposals(&self, command: &CommandInteraction, arrived: Instant) {
        let spec = self.commands.spec();
        let address = self.address(command.id, command.application_id, &command.token, &command.user);
        let form = Form::of(&command.data.options);
        let choices: Vec<Value> = match form.typing(spec) {
            Some((arg, before, typed)) => {
                let field = Field {
                    kind: arg.kind.clone(),
                    typed: typed.to_owned(),
                    author: author(&command.user),
                    board: form.board(spec),
                };
                let found = timeout_at(arrived + PROPOSALS, self.commands.suggest(&field)).await.unwrap_or_default();
                let fits =
                    found.into_iter().filter(|found| before.chars().count() + found.value.chars().count() <= PROPOSAL);
                fits.take(PROPOSED)
                    .map(|found| {
                        let label = if found.label.trim().is_empty() { &found.value } else { &found.label };
                        json!({ "name": cut(&format!("{before}{label}"), PROPOSAL), "value": format!("{before}{}", found.value) })
                    })
                    .collect()
            }
            None => Vec::new(),
        };
        if let Err(error) = self.interactions.propose(&address, Value::Array(choices)).await {
            // The person types on, which asks anew.
            tracing::debug!(%error, "proposals were not taken");
        }
    }

    /// The thread of a channel. None where Discord does not tell.
    async fn place(&self, channel: ChannelId, guild: Option<GuildId>) -> Option<Thread> {
        let mut wait = Duration::from_millis(200);
        for _ in 0..5 {
            match self.places.thread(channel, guild).await {
                Ok(thread) => return Some(thread),
                Err(CallError::Refused(refusal)) => {
                    // We hear from a channel that we cannot look at: it is taken for what it most likely is.
                    tracing::debug!(%refusal, "a channel cannot be looked at");
                    return Some(Thread {
                        platform: self.name.clone(),
                        space: guild.map_or_else(String::new, |guild| guild.to_string()),
                        channel: channel.to_string(),
                        thread: None,
                    });
                }
                Err(CallError::Limited(closed)) => wait = closed,
                Err(CallError::NotSent(_) | CallError::Unsure(_)) => {}
            }
            sleep(wait).await;
            wait *= 2;
        }
        tracing::warn!(%channel, "a message was left aside, for Discord does not say where it was written");
        None
    }

    fn address(&self, id: InteractionId, application: ApplicationId, token: &str, user: &User) -> Address {
        Address {
            interaction: id.get(),
            application: application.get(),
            token: token.to_owned(),
            at: (self.now)(),
            user: user.id.to_string(),
        }
    }

    fn us(&self) -> Ourselves {
        self.ourselves().clone()
    }

    pub(crate) fn ourselves(&self) -> MutexGuard<'_, Ourselves> {
        self.us.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn author(user: &User) -> Author {
    Author { platform: KIND.to_owned(), id: user.id.to_string(), name: user.display_name().to_owned() }
}

fn written(address: &ReturnAddress) -> Option<String> {
    serde_json::to_string(address).ok()
}

fn link(guild: Option<GuildId>, channel: ChannelId, message: &Message) -> String {
    let guild = guild.map_or_else(|| "@me".to_owned(), |guild| guild.to_string());
    format!("https://discord.com/channels/{guild}/{channel}/{}", message.id)
}
