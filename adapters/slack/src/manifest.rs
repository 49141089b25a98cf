//! The app's manifest: what Slack is asked for, derived from the declaration of the verbs.

use kanban_platform::{Spec, Surface};
use serde_json::{Value, json};

use crate::{Mode, form::CREATE, markup::shortened};

/// The command that people type.
pub const COMMAND: &str = "/kanban";

/// What the bot's token may do.
pub const SCOPES: [&str; 14] = [
    "app_mentions:read",
    "channels:history",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "im:write",
    "metadata.message:read",
    "mpim:history",
    "reactions:write",
    "usergroups:read",
    "users:read",
];

/// What the app's token may do, in socket mode.
pub const APP_SCOPES: [&str; 1] = ["connections:write"];

/// What Slack tells us of.
pub const EVENTS: [&str; 8] = [
    "app_home_opened",
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "subteam_members_changed",
    "subteam_updated",
];

/// Limits of the manifest's published schema.
const DESCRIPTION_LIMIT: usize = 140;
const HINT_LIMIT: usize = 1_000;

/// The manifest to create the app from. In HTTP mode `request_url` is the address at which Slack reaches us: commands,
/// interactions and events all go there.
pub fn manifest(spec: &Spec, mode: Mode, request_url: Option<&str>) -> Value {
    let request_url = request_url.filter(|_| mode == Mode::Http);
    let mut command = json!({
        "command": COMMAND,
        "description": shortened(&spec.about, DESCRIPTION_LIMIT),
        "usage_hint": usage_hint(spec),
        "should_escape": true,
    });
    let mut events = json!({"bot_events": EVENTS});
    let mut interactivity = json!({"is_enabled": true});
    if let Some(url) = request_url {
        command["url"] = url.into();
        events["request_url"] = url.into();
        interactivity["request_url"] = url.into();
        interactivity["message_menu_options_url"] = url.into();
    }
    json!({
        "display_information": {"name": spec.name, "description": shortened(&spec.about, DESCRIPTION_LIMIT)},
        "features": {
            "app_home": {
                "home_tab_enabled": true,
                "messages_tab_enabled": true,
                "messages_tab_read_only_enabled": false,
            },
            "bot_user": {"display_name": spec.name, "always_online": true},
            "shortcuts": [{
                "name": "Make a task",
                "type": "message",
                "callback_id": CREATE,
                "description": "Make a task from this message",
            }],
            "slash_commands": [command],
        },
        "oauth_config": {"scopes": {"bot": SCOPES}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": false,
            "socket_mode_enabled": mode == Mode::Socket,
            "token_rotation_enabled": false,
        },
    })
}

/// The verbs of the menu, as many as fit.
fn usage_hint(spec: &Spec) -> String {
    let mut hint = String::new();
    for verb in spec.verbs.iter().filter(|verb| verb.surface == Surface::Menu) {
        if hint.chars().count() + verb.name.chars().count() + 3 > HINT_LIMIT {
            break;
        }
        if !hint.is_empty() {
            hint.push_str(" | ");
        }
        hint.push_str(&verb.name);
    }
    if hint.is_empty() { "help".to_owned() } else { hint }
}
