//! Channels, threads and direct messages, and what the bot may do in them.

use serde_json::{Value, json};

use super::{
    account::{BOT, GUILD, OWNER, role_json},
    snowflake::{iso, made_at},
    state::State,
};
use kanban_platform::Thread;

/// Something that the bot may do in a channel (Permissions, "Bitwise Permission Flags").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    ViewChannel,
    SendMessages,
    ManageMessages,
    EmbedLinks,
    AttachFiles,
    ReadMessageHistory,
    MentionEveryone,
    AddReactions,
    ManageThreads,
    CreatePublicThreads,
    SendMessagesInThreads,
}

impl Permission {
    pub(super) const ALL: [Self; 11] = [
        Self::ViewChannel,
        Self::SendMessages,
        Self::ManageMessages,
        Self::EmbedLinks,
        Self::AttachFiles,
        Self::ReadMessageHistory,
        Self::MentionEveryone,
        Self::AddReactions,
        Self::ManageThreads,
        Self::CreatePublicThreads,
        Self::SendMessagesInThreads,
    ];

    pub(super) fn bit(self) -> u64 {
        1 << match self {
            Self::AddReactions => 6,
            Self::ViewChannel => 10,
            Self::SendMessages => 11,
            Self::ManageMessages => 13,
            Self::EmbedLinks => 14,
            Self::AttachFiles => 15,
            Self::ReadMessageHistory => 16,
            Self::MentionEveryone => 17,
            Self::ManageThreads => 34,
            Self::CreatePublicThreads => 35,
            Self::SendMessagesInThreads => 38,
        }
    }
}

/// All that members and the bot may do where nothing is taken from them; commands (1 << 31) are among it.
pub(super) fn all_permissions() -> u64 {
    Permission::ALL.iter().fold(1 << 31, |bits, permission| bits | permission.bit())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelKind {
    Text,
    Announcements,
    Voice,
    Direct,
    Thread,
    AnnouncementThread,
}

impl ChannelKind {
    /// Discord's number for it.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Direct => 1,
            Self::Voice => 2,
            Self::Announcements => 5,
            Self::AnnouncementThread => 10,
            Self::Thread => 11,
        }
    }

    pub(super) fn is_thread(self) -> bool {
        matches!(self, Self::Thread | Self::AnnouncementThread)
    }

    /// What a thread there is. None where there are none.
    pub(super) fn branch(self) -> Option<Self> {
        match self {
            Self::Text => Some(Self::Thread),
            Self::Announcements => Some(Self::AnnouncementThread),
            Self::Voice | Self::Direct | Self::Thread | Self::AnnouncementThread => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: u64,
    pub(super) kind: ChannelKind,
    pub(super) name: String,
    pub(super) parent: Option<u64>,
    /// The person on the other side of direct messages, or who made the thread.
    pub(super) owner: u64,
    /// Oldest first.
    pub(super) messages: Vec<u64>,
    /// What the bot may not do here.
    pub(super) denied: u64,
    pub(super) archived: bool,
    pub(super) locked: bool,
    pub(super) auto_archive: u64,
    /// The people who were brought into a thread.
    pub(super) members: Vec<u64>,
}

impl Channel {
    pub(super) fn is_direct(&self) -> bool {
        self.kind == ChannelKind::Direct
    }
}

impl State {
    /// The id of a channel of the guild, made at the first call with this name. `@ann` are direct messages with Ann.
    pub(super) fn channel_named(&mut self, name: &str) -> (u64, bool) {
        self.channel_of_kind(name, ChannelKind::Text)
    }

    pub(super) fn channel_of_kind(&mut self, name: &str, kind: ChannelKind) -> (u64, bool) {
        if let Some(id) = self.channels_by_name.get(&(0, name.to_owned())) {
            return (*id, false);
        }
        let (kind, owner) = match name.strip_prefix('@') {
            Some(person) => (ChannelKind::Direct, self.person(person)),
            None => (kind, OWNER),
        };
        (self.add_channel(kind, name, None, owner), true)
    }

    pub(super) fn add_channel(&mut self, kind: ChannelKind, name: &str, parent: Option<u64>, owner: u64) -> u64 {
        let id = self.ids.next();
        self.add_channel_with(id, kind, name, parent, owner);
        id
    }

    pub(super) fn add_channel_with(&mut self, id: u64, kind: ChannelKind, name: &str, parent: Option<u64>, owner: u64) {
        let channel = Channel {
            id,
            kind,
            name: name.to_owned(),
            parent,
            owner,
            messages: Vec::new(),
            denied: 0,
            archived: false,
            locked: false,
            auto_archive: 1440,
            members: Vec::new(),
        };
        self.channels_by_name.entry((parent.unwrap_or(0), name.to_owned())).or_insert(id);
        self.channels.insert(id, channel);
    }

    /// The channel in which a place's messages are: a thread is a channel of its own.
    pub(super) fn channel_of(&self, place: &Thread) -> Option<u64> {
        place.thread.as_ref().unwrap_or(&place.channel).parse().ok()
    }

    pub(super) fn place(&self, channel: &Channel) -> Thread {
        let space = if channel.is_direct() { String::new() } else { GUILD.to_string() };
        let (channel, thread) = match channel.parent {
            Some(parent) => (parent.to_string(), Some(channel.id.to_string())),
            None => (channel.id.to_string(), None),
        };
        Thread { platform: "discord".to_owned(), space, channel, thread }
    }

    /// What the bot may do: a thread has its parent's permissions.
    pub(super) fn permissions(&self, channel: &Channel) -> u64 {
        let parent = channel.parent.and_then(|parent| self.channels.get(&parent)).map_or(0, |parent| parent.denied);
        all_permissions() & !(channel.denied | parent)
    }

    pub(super) fn may(&self, channel: &Channel, permission: Permission) -> bool {
        channel.is_direct() || self.permissions(channel) & permission.bit() != 0
    }

    pub(super) fn channel_json(&self, channel: &Channel) -> Value {
        let last = channel.messages.last().map(u64::to_string);
        match channel.kind {
            ChannelKind::Direct => json!({
                "id": channel.id.to_string(), "type": channel.kind.number(), "flags": 0, "last_message_id": last,
                "recipients": [self.user(channel.owner)],
            }),
            ChannelKind::Text | ChannelKind::Announcements | ChannelKind::Voice => json!({
                "id": channel.id.to_string(), "type": channel.kind.number(), "flags": 0, "guild_id": GUILD.to_string(), "name": channel.name,
                "position": 0, "permission_overwrites": self.overwrites(channel), "parent_id": null, "topic": null,
                "nsfw": false, "last_message_id": last, "rate_limit_per_user": 0, "last_pin_timestamp": null,
            }),
            ChannelKind::Thread | ChannelKind::AnnouncementThread => {
                let made = iso(made_at(channel.id));
                json!({
                    "id": channel.id.to_string(), "type": channel.kind.number(), "flags": 0, "guild_id": GUILD.to_string(),
                    "name": channel.name, "parent_id": channel.parent.map(|id| id.to_string()),
                    "owner_id": channel.owner.to_string(), "last_message_id": last, "rate_limit_per_user": 0,
                    "last_pin_timestamp": null,
                    "message_count": channel.messages.len().min(50), "member_count": 1 + channel.members.len(),
                    "total_message_sent": channel.messages.len(),
                    "thread_metadata": {
                        "archived": channel.archived, "archive_timestamp": made, "create_timestamp": made,
                        "auto_archive_duration": channel.auto_archive, "locked": channel.locked,
                    },
                    "member": {
                        "id": channel.id.to_string(), "user_id": BOT.to_string(), "join_timestamp": made, "flags": 0,
                    },
                })
            }
        }
    }

    fn overwrites(&self, channel: &Channel) -> Value {
        if channel.denied == 0 {
            return json!([]);
        }
        json!([{ "id": BOT.to_string(), "type": 1, "allow": "0", "deny": channel.denied.to_string() }])
    }

    /// The guild as `GUILD_CREATE` says it.
    pub(super) fn guild_json(&self) -> Value {
        let mut bot = self.member();
        bot["user"] = self.user(BOT);
        let mut guild = self.guild_summary();
        let more = json!({
            "joined_at": self.started, "large": false, "unavailable": false, "member_count": 2 + self.people.len(),
            "voice_states": [], "members": [bot], "channels": self.guild_places(false),
            "threads": self.guild_places(true), "presences": [], "stage_instances": [],
            "guild_scheduled_events": [], "soundboard_sounds": [],
        });
        extend(&mut guild, more);
        guild
    }

    pub(super) fn guild_summary(&self) -> Value {
        let id = GUILD.to_string();
        let mut guild = json!({
            "id": id, "name": "Kanban", "icon": null, "icon_hash": null, "splash": null, "discovery_splash": null,
            "home_header": null, "owner_id": OWNER.to_string(), "region": "deprecated", "afk_channel_id": null,
            "afk_timeout": 300, "widget_enabled": false, "widget_channel_id": null, "verification_level": 0,
            "default_message_notifications": 1, "explicit_content_filter": 0, "emojis": [], "features": [],
            "mfa_level": 0, "application_id": null, "system_channel_id": null, "system_channel_flags": 0,
            "rules_channel_id": null, "max_presences": null, "max_members": 500_000, "vanity_url_code": null,
            "description": null, "banner": null, "premium_tier": 0, "premium_subscription_count": 0,
            "preferred_locale": "en-US", "public_updates_channel_id": null, "safety_alerts_channel_id": null,
            "max_video_channel_users": 25, "max_stage_video_channel_users": 50,
        });
        let named = self.roles.iter().map(|(name, id)| role_json(*id, name));
        let roles: Vec<Value> = std::iter::once(role_json(GUILD, "@everyone")).chain(named).collect();
        let more = json!({
            "nsfw_level": 0, "nsfw": false,
            "stickers": [], "premium_progress_bar_enabled": false, "premium_progress_bar_enabled_user_updated_at": null,
            "incidents_data": null, "inventory_settings": null, "embed_enabled": false, "embed_channel_id": null,
            "latest_onboarding_question_id": null, "hub_type": null,
            "roles": roles,
        });
        extend(&mut guild, more);
        guild
    }
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}
