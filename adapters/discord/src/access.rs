//! What the bot asks Discord for. The page of documentation names the same, which a test holds.

use serenity::model::{gateway::GatewayIntents, permissions::Permissions};

/// The scopes of the invitation.
pub const SCOPES: [&str; 2] = ["bot", "applications.commands"];

/// The permissions of the invitation, as the developer portal writes them.
pub const PERMISSIONS: [&str; 8] = [
    "View Channels",
    "Send Messages",
    "Create Public Threads",
    "Send Messages in Threads",
    "Embed Links",
    "Attach Files",
    "Read Message History",
    "Add Reactions",
];

/// The intents of the connection, as Discord's reference writes them. The last one only with `message_content`.
pub const INTENTS: [&str; 4] = ["GUILDS", "GUILD_MESSAGES", "DIRECT_MESSAGES", "MESSAGE_CONTENT"];

/// [`PERMISSIONS`] as the number of the invitation's address.
pub fn permissions() -> u64 {
    permissions_in_order().into_iter().fold(0, |all, permission| all | permission.bits())
}

/// [`PERMISSIONS`] as Discord counts them, in the same order.
pub(crate) fn permissions_in_order() -> [Permissions; 8] {
    [
        Permissions::VIEW_CHANNEL,
        Permissions::SEND_MESSAGES,
        Permissions::CREATE_PUBLIC_THREADS,
        Permissions::SEND_MESSAGES_IN_THREADS,
        Permissions::EMBED_LINKS,
        Permissions::ATTACH_FILES,
        Permissions::READ_MESSAGE_HISTORY,
        Permissions::ADD_REACTIONS,
    ]
}

/// The address at which somebody adds the bot of an app to a server.
pub fn invitation(application: Option<u64>) -> String {
    let id = application.map_or_else(|| "APPLICATION_ID".to_owned(), |id| id.to_string());
    format!(
        "https://discord.com/oauth2/authorize?client_id={id}&scope={}&permissions={}",
        SCOPES.join("+"),
        permissions()
    )
}

pub(crate) fn intents(message_content: bool) -> GatewayIntents {
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGES | GatewayIntents::DIRECT_MESSAGES;
    if message_content { intents | GatewayIntents::MESSAGE_CONTENT } else { intents }
}
