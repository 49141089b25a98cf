//! Events of Discord as requests to the gateway.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kanban_platform::{
    Author, Batch, Block, Button, Capability, Commands, Field, Input, Post, PostKind, Request, Thread, Urgency,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serenity::model::{
    application::{
        ActionRowComponent, ButtonKind, CommandInteraction, CommandType, ComponentInteraction, Interaction,
        ModalInteraction,
    },
    channel::{Message, MessageFlags, PartialChannel},
    id::{ApplicationId, ChannelId, GuildId, InteractionId, RoleId},
    user::User,
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    KIND,
    api::{Api, CallError},
    drawing::{form, one_line},
    fetch::incoming,
    form::{Form, task_of_message},
    inbox::{Arrival, Inbox},
    interaction::{Address, Interactions, Kind, Open},
    member::groups,
    menu::TASK_OF_MESSAGE,
    outgoing::Outgoing,
    places::{Places, Spot},
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
    pub(crate) api: Arc<Api>,
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
                Some(spot) => request = self.request(message, spot).map(Box::new),
                None => return,
            }
        }
        self.inbox.put(Arrival::Message { channel, id, request });
    }

    /// The request that a message is. None where it is for nobody.
    pub(crate) fn request(&self, message: &Message, spot: Spot) -> Option<Request> {
        let said = said(message, &self.us())?;
        let Spot { thread, is_channel } = spot;
        let is_private = thread.space.is_empty();
        let roles = message.member.as_ref().map_or(&[][..], |member| &member.roles);
        Some(Request {
            update: format!("m{}", message.id),
            author: author(&message.author, roles),
            thread,
            input: Input::Text(said.text),
            reply_to: said.reply_to,
            addressed: is_private || said.is_to_us,
            return_address: written(&ReturnAddress::Message(message.id.get())),
            is_channel,
            message: Some(message.id.to_string()),
            files: incoming(message),
        })
    }

    /// Takes an interaction, which must be acknowledged in three seconds.
    pub(crate) async fn interaction(&self, interaction: Interaction, arrived: Instant) {
        match interaction {
            Interaction::Command(command) => self.command(command, arrived).await,
            Interaction::Autocomplete(command) => self.proposals(&command, arrived).await,
            Interaction::Component(press) => self.press(press, arrived).await,
            Interaction::Modal(filled) => self.filled(filled, arrived).await,
            // For apps without a gateway connection.
            Interaction::Ping(_) => {}
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
        self.learn(command.channel.as_ref(), command.guild_id);
        let roles = command.member.as_ref().map_or(&[][..], |member| &member.roles);
        let author = author(&command.user, roles);
        self.interact(&open, command.id, command.channel_id, command.guild_id, author, input).await;
    }

    async fn press(&self, press: ComponentInteraction, arrived: Instant) {
        let address = self.address(press.id, press.application_id, &press.token, &press.user);
        let (message, button) = (press.message.id.to_string(), press.data.custom_id.clone());
        if Button::asks_words(&button) {
            let label = label_of(&press.message, &button).unwrap_or("Answer");
            // Where no form comes about, the gateway asks in a message.
            if self.interactions.ask(&address, arrived, form(&form_id(&message, &button), label)).await {
                return;
            }
        }
        let open = self.interactions.open(address, arrived, kind_of_press(Some(&press.message)));
        self.learn(press.channel.as_ref(), press.guild_id);
        let roles = press.member.as_ref().map_or(&[][..], |member| &member.roles);
        let author = author(&press.user, roles);
        let input = Input::Press { message, button, words: None };
        self.interact(&open, press.id, press.channel_id, press.guild_id, author, Ok(input)).await;
    }

    /// Takes a form that was filled in: the second half of a press.
    async fn filled(&self, filled: ModalInteraction, arrived: Instant) {
        let address = self.address(filled.id, filled.application_id, &filled.token, &filled.user);
        let open = self.interactions.open(address, arrived, kind_of_press(filled.message.as_deref()));
        self.learn(filled.channel.as_ref(), filled.guild_id);
        let roles = filled.member.as_ref().map_or(&[][..], |member| &member.roles);
        let author = author(&filled.user, roles);
        let input = match filled.data.custom_id.split_once('/') {
            Some((message, button)) => {
                let (message, button) = (message.to_owned(), button.to_owned());
                Ok(Input::Press { message, button, words: Some(words_of(&filled)) })
            }
            None => Err("this form is not known any more; press the button again".to_owned()),
        };
        self.interact(&open, filled.id, filled.channel_id, filled.guild_id, author, input).await;
    }

    /// Keeps what a person did, and acknowledges it in time whatever that takes.
    async fn interact(
        &self,
        open: &Open,
        id: InteractionId,
        channel: ChannelId,
        guild: Option<GuildId>,
        author: Author,
        input: Result<Input, String>,
    ) {
        let keeping = async {
            let Some(Spot { thread, is_channel }) = self.place(channel, guild).await else {
                self.tell(open, channel, "Discord does not say where this was typed; please try again.").await;
                return;
            };
            let input = match input {
                Ok(input) => input,
                Err(problem) => return self.tell(open, channel, &format!("This was not understood: {problem}.")).await,
            };
            let request = Request {
                update: format!("i{id}"),
                author,
                thread,
                input,
                reply_to: None,
                addressed: true,
                return_address: written(&ReturnAddress::Interaction(open.address().clone())),
                is_channel,
                message: None,
                files: Vec::new(),
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
            prompts: false,
        };
        if let Err(error) = self.interactions.answer(&post, open.address().clone(), channel, None).await {
            tracing::warn!(%error, "a person could not be told that their command was not taken");
        }
    }

    async fn proposals(&self, command: &CommandInteraction, arrived: Instant) {
        let spec = self.commands.spec();
        let address = self.address(command.id, command.application_id, &command.token, &command.user);
        let form = Form::of(&command.data.options);
        self.learn(command.channel.as_ref(), command.guild_id);
        let roles = command.member.as_ref().map_or(&[][..], |member| &member.roles);
        let choices: Vec<Value> = match form.typing(spec) {
            Some((arg, before, typed)) => {
                let suggesting = async {
                    let field = Field {
                        kind: arg.kind.clone(),
                        typed: typed.to_owned(),
                        author: author(&command.user, roles),
                        thread: self.place(command.channel_id, command.guild_id).await?.thread,
                        board: form.board(spec),
                    };
                    Some(self.commands.suggest(&field).await)
                };
                let found = timeout_at(arrived + PROPOSALS, suggesting).await.ok().flatten().unwrap_or_default();
                let fits =
                    found.into_iter().filter(|found| before.chars().count() + found.value.chars().count() <= PROPOSAL);
                fits.take(PROPOSED)
                    .map(|found| {
                        let label = if found.label.trim().is_empty() { &found.value } else { &found.label };
                        json!({ "name": one_line(&format!("{before}{label}"), PROPOSAL), "value": format!("{before}{}", found.value) })
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

    /// Takes over what an interaction says of its channel.
    fn learn(&self, channel: Option<&PartialChannel>, guild: Option<GuildId>) {
        if let Some(channel) = channel {
            self.places.learn_place(channel.id, guild, channel.kind, channel.parent_id);
        }
    }

    /// Where a channel lies. None where Discord does not tell.
    async fn place(&self, channel: ChannelId, guild: Option<GuildId>) -> Option<Spot> {
        let mut wait = Duration::from_millis(200);
        for _ in 0..5 {
            match self.places.spot(channel, guild).await {
                Ok(spot) => return Some(spot),
                Err(CallError::Refused(refusal)) => {
                    // We hear from a channel that we cannot look at: it is taken for what it most likely is.
                    tracing::debug!(%refusal, "a channel cannot be looked at");
                    let thread = Thread {
                        platform: self.name.clone(),
                        space: guild.map_or_else(String::new, |guild| guild.to_string()),
                        channel: channel.to_string(),
                        thread: None,
                    };
                    return Some(Spot { thread, is_channel: false });
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

fn author(user: &User, roles: &[RoleId]) -> Author {
    Author {
        platform: KIND.to_owned(),
        id: user.id.to_string(),
        name: user.display_name().to_owned(),
        groups: groups(roles),
    }
}

/// The name of a form, by which its submission is known as the press of a button on a message.
fn form_id(message: &str, button: &str) -> String {
    format!("{message}/{button}")
}

/// What was written into the only field of a form.
fn words_of(filled: &ModalInteraction) -> String {
    let fields = filled.data.components.iter().flat_map(|row| &row.components);
    let mut words = fields.filter_map(|field| match field {
        ActionRowComponent::InputText(input) => input.value.clone(),
        // Our forms have no others.
        _ => None,
    });
    words.next().unwrap_or_default()
}

fn label_of<'a>(message: &'a Message, key: &str) -> Option<&'a str> {
    let buttons = message.components.iter().flat_map(|row| &row.components);
    let mut labels = buttons.filter_map(|component| match component {
        ActionRowComponent::Button(button) => match &button.data {
            ButtonKind::NonLink { custom_id, .. } if custom_id == key => button.label.as_deref(),
            _ => None,
        },
        _ => None,
    });
    labels.next()
}

fn kind_of_press(message: Option<&Message>) -> Kind {
    let flags = message.and_then(|message| message.flags).unwrap_or_default();
    if flags.contains(MessageFlags::EPHEMERAL) { Kind::PrivatePress } else { Kind::Press }
}

fn written(address: &ReturnAddress) -> Option<String> {
    serde_json::to_string(address).ok()
}

fn link(guild: Option<GuildId>, channel: ChannelId, message: &Message) -> String {
    let guild = guild.map_or_else(|| "@me".to_owned(), |guild| guild.to_string());
    format!("https://discord.com/channels/{guild}/{channel}/{}", message.id)
}
