//! The bot, the people, and how Discord describes them.

use serde_json::{Value, json};

use super::{channel::all_permissions, session::GUILDS, state::State};

/// The bot's user id, which is the application's id too.
pub(super) const BOT: u64 = 1_100_000_000_000_000_001;
/// The only guild, and its role `@everyone`, which has the same id.
pub(super) const GUILD: u64 = 1_100_000_000_000_000_002;
pub(super) const OWNER: u64 = 1_100_000_000_000_000_003;
/// The token in the form of real ones: the bot's id in base64, a time, a signature.
pub(super) const TOKEN: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gfake0.not-a-secret-but-as-long-as-a-real-one";
pub(super) const BOT_NAME: &str = "kanban";

impl State {
    /// The id of a person, made at the first call with this name.
    pub(super) fn person(&mut self, name: &str) -> u64 {
        if let Some(id) = self.people.get(name) {
            return *id;
        }
        let id = self.ids.next();
        self.people.insert(name.to_owned(), id);
        self.names.insert(id, name.to_owned());
        self.user_texts.insert(id, self.user(id).to_string());
        id
    }

    /// The id of a role of the guild, made at the first call with this name.
    pub(super) fn role(&mut self, name: &str) -> u64 {
        if let Some((_, id)) = self.roles.iter().find(|(known, _)| known == name) {
            return *id;
        }
        let id = self.ids.next();
        self.roles.push((name.to_owned(), id));
        let event = json!({ "guild_id": GUILD.to_string(), "role": role_json(id, name) });
        self.dispatch("GUILD_ROLE_CREATE", GUILDS, &event);
        id
    }

    /// The name of a person, or the id of one whom nobody has named.
    pub(super) fn name(&self, id: u64) -> String {
        if id == BOT { BOT_NAME.to_owned() } else { self.names.get(&id).cloned().unwrap_or_else(|| id.to_string()) }
    }

    pub(super) fn user(&self, id: u64) -> Value {
        let name = self.name(id);
        let mut user = json!({
            "id": id.to_string(), "username": name, "avatar": null, "discriminator": "0", "public_flags": 0, "flags": 0,
            "global_name": name, "primary_guild": null, "bot": false, "system": false, "banner": null,
            "accent_color": null, "avatar_decoration_data": null, "collectibles": null,
        });
        if id == BOT {
            user["bot"] = true.into();
            user["global_name"] = Value::Null;
        }
        user
    }

    /// What READY and `/users/@me` say of the bot.
    pub(super) fn own_user(&self) -> Value {
        let mut user = self.user(BOT);
        user["mfa_enabled"] = true.into();
        user["verified"] = true.into();
        user["email"] = Value::Null;
        user["locale"] = "en-US".into();
        user
    }

    /// A member of the guild, without the user, as messages carry one.
    pub(super) fn member(&self) -> Value {
        self.member_with(&[])
    }

    /// A person as a member of the guild.
    pub(super) fn member_of(&self, user: u64) -> Value {
        self.member_with(self.roles_of.get(&user).map_or(&[], Vec::as_slice))
    }

    fn member_with(&self, roles: &[u64]) -> Value {
        let roles: Vec<String> = roles.iter().map(u64::to_string).collect();
        json!({
            "roles": roles, "joined_at": self.started, "premium_since": null, "deaf": false, "mute": false, "flags": 0,
            "nick": null, "avatar": null, "banner": null, "pending": false, "communication_disabled_until": null,
        })
    }

    /// What READY says of the application.
    pub(super) fn application(&self) -> Value {
        let message_content = if self.grants_content { 1_u64 << 19 } else { 0 };
        let flags = message_content | 1 << 23;
        json!({
            "id": BOT.to_string(), "name": BOT_NAME, "icon": null, "description": "", "type": null, "bot": self.user(BOT),
            "verify_key": "0".repeat(64), "flags": flags, "flags_new": flags.to_string(), "redirect_uris": [],
            "interactions_endpoint_url": null, "role_connections_verification_url": null, "owner": self.user(OWNER),
            "approximate_guild_count": 1, "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0, "team": null, "bot_public": true, "bot_require_code_grant": false,
            "summary": "", "eligible_oauth2_scopes": [],
        })
    }
}

/// A role as the guild lists it.
pub(super) fn role_json(id: u64, name: &str) -> Value {
    json!({
        "id": id.to_string(), "name": name, "color": 0,
        "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
        "hoist": false, "icon": null, "unicode_emoji": null, "position": 0,
        "permissions": all_permissions().to_string(), "managed": false, "mentionable": false, "flags": 0,
        "description": null,
    })
}
