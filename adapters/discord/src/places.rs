//! Where a channel lies: its guild, and the parent of a thread.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kanban_platform::{Thread, Urgency};
use serenity::{
    http::{LightMethod, Route},
    model::{
        channel::{ChannelType, GuildChannel},
        id::{ChannelId, GuildId},
    },
};

use crate::{
    api::{Api, Call, CallError},
    outgoing::parse,
};

/// What is known of channels, from events and from questions.
pub(crate) struct Places {
    name: String,
    api: Arc<Api>,
    known: Mutex<HashMap<ChannelId, Place>>,
    /// One question at a time, so that many messages from one place do not ask many times.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    guild: Option<GuildId>,
    /// The channel that a thread belongs to.
    parent: Option<ChannelId>,
    /// Messages there can have threads.
    can_branch: bool,
}

/// Where something was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) thread: Thread,
    /// Messages there can have threads ("Start Thread from Message").
    pub(crate) is_channel: bool,
}

impl Places {
    pub(crate) fn new(name: String, api: Arc<Api>) -> Self {
        Self { name, api, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Takes over what an event says of a channel.
    pub(crate) fn learn(&self, channel: &GuildChannel) {
        self.learn_place(channel.id, Some(channel.guild_id), channel.kind, channel.parent_id);
    }

    pub(crate) fn learn_place(
        &self,
        channel: ChannelId,
        guild: Option<GuildId>,
        kind: ChannelType,
        parent: Option<ChannelId>,
    ) {
        // The parent of a channel that is no thread is a category.
        let parent = parent.filter(|_| is_thread(kind));
        let can_branch = guild.is_some() && matches!(kind, ChannelType::Text | ChannelType::News);
        self.known().insert(channel, Place { guild, parent, can_branch });
    }

    pub(crate) fn forget(&self, channel: ChannelId) {
        self.known().remove(&channel);
    }

    /// The thread of the contract that a channel is.
    pub(crate) async fn spot(&self, channel: ChannelId, guild: Option<GuildId>) -> Result<Spot, CallError> {
        let place = match (guild, self.get(channel)) {
            (_, Some(place)) => place,
            // Private channels have no threads.
            (None, None) => Place { guild: None, parent: None, can_branch: false },
            (Some(_), None) => self.ask(channel).await?,
        };
        let space = place.guild.or(guild).map_or_else(String::new, |guild| guild.to_string());
        let (channel, thread) = match place.parent {
            Some(parent) => (parent.to_string(), Some(channel.to_string())),
            None => (channel.to_string(), None),
        };
        let thread = Thread { platform: self.name.clone(), space, channel, thread };
        Ok(Spot { thread, is_channel: place.can_branch })
    }

    /// Whether messages of a thread of the contract can have threads, as far as that is known without asking.
    pub(crate) fn can_branch(&self, thread: &Thread) -> bool {
        target(thread).and_then(|channel| self.get(channel)).is_some_and(|place| place.can_branch)
    }

    async fn ask(&self, channel: ChannelId) -> Result<Place, CallError> {
        let _asking = self.asking.lock().await;
        if let Some(place) = self.get(channel) {
            return Ok(place);
        }
        let mut call = Call::new(LightMethod::Get, Route::Channel { channel_id: channel });
        call.bucket = Some(format!("channel {channel}"));
        call.urgency = Urgency::Reply;
        let told = self.api.call(call).await?;
        let kind = told["type"]
            .as_u64()
            .and_then(|kind| u8::try_from(kind).ok())
            .map_or(ChannelType::Unknown(u8::MAX), Into::into);
        let id = |field: &str| told[field].as_str().and_then(parse);
        self.learn_place(channel, id("guild_id").map(GuildId::new), kind, id("parent_id").map(ChannelId::new));
        Ok(self.get(channel).unwrap_or(Place { guild: None, parent: None, can_branch: false }))
    }

    fn get(&self, channel: ChannelId) -> Option<Place> {
        self.known().get(&channel).copied()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<ChannelId, Place>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The channel that a thread of the contract is written to.
pub(crate) fn target(thread: &Thread) -> Option<ChannelId> {
    parse(thread.thread.as_ref().unwrap_or(&thread.channel)).map(ChannelId::new)
}

fn is_thread(kind: ChannelType) -> bool {
    matches!(kind, ChannelType::NewsThread | ChannelType::PublicThread | ChannelType::PrivateThread)
}
