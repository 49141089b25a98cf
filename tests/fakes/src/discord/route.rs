//! The routes of the HTTP API that the server knows.

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Me,
    Application,
    Gateway,
    GatewayBot,
    DirectChannels,
    Guild(u64),
    GuildChannels(u64),
    ActiveThreads(u64),
    Commands { application: u64, guild: Option<u64> },
    Command { application: u64, guild: Option<u64>, command: u64 },
    Channel(u64),
    Typing(u64),
    Messages(u64),
    Message { channel: u64, message: u64 },
    Reaction { channel: u64, message: u64, emoji: String },
    ThreadFrom { channel: u64, message: u64 },
    Threads(u64),
    ThreadMember(u64),
    ThreadMemberOf { channel: u64, person: u64 },
    GuildMember { guild: u64, person: u64 },
    Callback { interaction: u64, token: String },
    FollowUps { application: u64, token: String },
    FollowUp { application: u64, token: String, message: FollowUp },
}

/// A message of an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FollowUp {
    Original,
    Message(u64),
}

impl Route {
    /// Reads a path without its `/api/v10`.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let steps: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let id = |text: &str| text.parse::<u64>().ok();
        Some(match steps.as_slice() {
            ["users", "@me"] => Self::Me,
            ["users", "@me", "channels"] => Self::DirectChannels,
            ["oauth2", "applications", "@me"] | ["applications", "@me"] => Self::Application,
            ["gateway"] => Self::Gateway,
            ["gateway", "bot"] => Self::GatewayBot,
            ["guilds", guild] => Self::Guild(id(guild)?),
            ["guilds", guild, "channels"] => Self::GuildChannels(id(guild)?),
            ["guilds", guild, "threads", "active"] => Self::ActiveThreads(id(guild)?),
            ["applications", application, "commands"] => Self::Commands { application: id(application)?, guild: None },
            ["applications", application, "commands", command] => {
                Self::Command { application: id(application)?, guild: None, command: id(command)? }
            }
            ["applications", application, "guilds", guild, "commands"] => {
                Self::Commands { application: id(application)?, guild: Some(id(guild)?) }
            }
            ["applications", application, "guilds", guild, "commands", command] => {
                Self::Command { application: id(application)?, guild: Some(id(guild)?), command: id(command)? }
            }
            ["channels", channel] => Self::Channel(id(channel)?),
            ["channels", channel, "typing"] => Self::Typing(id(channel)?),
            ["channels", channel, "messages"] => Self::Messages(id(channel)?),
            ["channels", channel, "messages", message] => {
                Self::Message { channel: id(channel)?, message: id(message)? }
            }
            ["channels", channel, "messages", message, "threads"] => {
                Self::ThreadFrom { channel: id(channel)?, message: id(message)? }
            }
            ["channels", channel, "messages", message, "reactions", emoji, "@me"] => {
                Self::Reaction { channel: id(channel)?, message: id(message)?, emoji: (*emoji).to_owned() }
            }
            ["channels", channel, "threads"] => Self::Threads(id(channel)?),
            ["channels", channel, "thread-members", "@me"] => Self::ThreadMember(id(channel)?),
            ["channels", channel, "thread-members", person] => {
                Self::ThreadMemberOf { channel: id(channel)?, person: id(person)? }
            }
            ["guilds", guild, "members", person] => Self::GuildMember { guild: id(guild)?, person: id(person)? },
            ["interactions", interaction, token, "callback"] => {
                Self::Callback { interaction: id(interaction)?, token: (*token).to_owned() }
            }
            ["webhooks", application, token] => {
                Self::FollowUps { application: id(application)?, token: (*token).to_owned() }
            }
            ["webhooks", application, token, "messages", message] => {
                let message =
                    if *message == "@original" { FollowUp::Original } else { FollowUp::Message(id(message)?) };
                Self::FollowUp { application: id(application)?, token: (*token).to_owned(), message }
            }
            _ => return None,
        })
    }

    /// The path with its ids left out, as records and troubles name it: `/channels/{id}/messages`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Me => "/users/@me",
            Self::Application => "/applications/@me",
            Self::Gateway => "/gateway",
            Self::GatewayBot => "/gateway/bot",
            Self::DirectChannels => "/users/@me/channels",
            Self::Guild(_) => "/guilds/{id}",
            Self::GuildChannels(_) => "/guilds/{id}/channels",
            Self::ActiveThreads(_) => "/guilds/{id}/threads/active",
            Self::Commands { guild: None, .. } => "/applications/{id}/commands",
            Self::Commands { guild: Some(_), .. } => "/applications/{id}/guilds/{id}/commands",
            Self::Command { guild: None, .. } => "/applications/{id}/commands/{id}",
            Self::Command { guild: Some(_), .. } => "/applications/{id}/guilds/{id}/commands/{id}",
            Self::Channel(_) => "/channels/{id}",
            Self::Typing(_) => "/channels/{id}/typing",
            Self::Messages(_) => "/channels/{id}/messages",
            Self::Message { .. } => "/channels/{id}/messages/{id}",
            Self::Reaction { .. } => "/channels/{id}/messages/{id}/reactions/{emoji}/@me",
            Self::ThreadFrom { .. } => "/channels/{id}/messages/{id}/threads",
            Self::Threads(_) => "/channels/{id}/threads",
            Self::ThreadMember(_) => "/channels/{id}/thread-members/@me",
            Self::ThreadMemberOf { .. } => "/channels/{id}/thread-members/{id}",
            Self::GuildMember { .. } => "/guilds/{id}/members/{id}",
            Self::Callback { .. } => "/interactions/{id}/{token}/callback",
            Self::FollowUps { .. } => "/webhooks/{id}/{token}",
            Self::FollowUp { message: FollowUp::Original, .. } => "/webhooks/{id}/{token}/messages/@original",
            Self::FollowUp { message: FollowUp::Message(_), .. } => "/webhooks/{id}/{token}/messages/{id}",
        }
    }

    /// The path as the published description spells it.
    pub(super) fn published(&self) -> &'static str {
        match self {
            Self::Guild(_) => "/guilds/{guild_id}",
            Self::GuildChannels(_) => "/guilds/{guild_id}/channels",
            Self::ActiveThreads(_) => "/guilds/{guild_id}/threads/active",
            Self::Commands { guild: None, .. } => "/applications/{application_id}/commands",
            Self::Commands { guild: Some(_), .. } => "/applications/{application_id}/guilds/{guild_id}/commands",
            Self::Command { guild: None, .. } => "/applications/{application_id}/commands/{command_id}",
            Self::Command { guild: Some(_), .. } => {
                "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}"
            }
            Self::Channel(_) => "/channels/{channel_id}",
            Self::Typing(_) => "/channels/{channel_id}/typing",
            Self::Messages(_) => "/channels/{channel_id}/messages",
            Self::Message { .. } => "/channels/{channel_id}/messages/{message_id}",
            Self::Reaction { .. } => "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me",
            Self::ThreadFrom { .. } => "/channels/{channel_id}/messages/{message_id}/threads",
            Self::Threads(_) => "/channels/{channel_id}/threads",
            Self::ThreadMember(_) => "/channels/{channel_id}/thread-members/@me",
            Self::ThreadMemberOf { .. } => "/channels/{channel_id}/thread-members/{user_id}",
            Self::GuildMember { .. } => "/guilds/{guild_id}/members/{user_id}",
            Self::Callback { .. } => "/interactions/{interaction_id}/{interaction_token}/callback",
            Self::FollowUps { .. } => "/webhooks/{webhook_id}/{webhook_token}",
            Self::FollowUp { message: FollowUp::Original, .. } => {
                "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
            }
            Self::FollowUp { message: FollowUp::Message(_), .. } => {
                "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
            }
            Self::Me | Self::Application | Self::Gateway | Self::GatewayBot | Self::DirectChannels => self.name(),
        }
    }

    /// The resource that a rate limit counts by, beside the route (Rate Limits, "Top-level resources").
    pub(super) fn resource(&self) -> String {
        match self {
            Self::Channel(id) | Self::Typing(id) | Self::Messages(id) | Self::Threads(id) | Self::ThreadMember(id) => {
                id.to_string()
            }
            Self::Message { channel, .. }
            | Self::Reaction { channel, .. }
            | Self::ThreadFrom { channel, .. }
            | Self::ThreadMemberOf { channel, .. } => channel.to_string(),
            Self::GuildMember { guild, .. } => guild.to_string(),
            Self::Guild(id) | Self::GuildChannels(id) | Self::ActiveThreads(id) => id.to_string(),
            Self::Commands { guild, .. } | Self::Command { guild, .. } => guild.unwrap_or_default().to_string(),
            Self::Callback { token, .. } | Self::FollowUps { token, .. } | Self::FollowUp { token, .. } => {
                token.clone()
            }
            Self::Me | Self::Application | Self::Gateway | Self::GatewayBot | Self::DirectChannels => String::new(),
        }
    }

    /// Whether the path holds a token of its own, so that no other is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.is_of_interaction() || *self == Self::Gateway
    }

    pub(super) fn is_of_interaction(&self) -> bool {
        matches!(self, Self::Callback { .. } | Self::FollowUps { .. } | Self::FollowUp { .. })
    }
}

/// A step of a path without its escapes: discord.js writes `%40original`.
fn decoded(step: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = step.as_bytes();
    while let [first, more @ ..] = rest {
        let escaped = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
