//! Which call does what.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    Core, commands, description,
    interaction::check_callback,
    messages::{self, Answer, Body},
    refusal::Refusal,
    route::Route,
    threads,
};

/// What is wrong with a body, by the published description and by the rules that it leaves out.
pub(super) fn mistakes(method: &Method, route: &Route, body: &Body) -> Vec<(String, String)> {
    if body.json.is_null() {
        return Vec::new();
    }
    let mut mistakes = description::check_request(method.as_str(), route.published(), &body.json);
    mistakes.extend(match (method.as_str(), route) {
        ("POST", Route::Messages(_) | Route::FollowUps { .. })
        | ("PATCH", Route::Message { .. } | Route::FollowUp { .. }) => messages::check(body),
        ("POST", Route::Callback { .. }) => check_callback(&body.json),
        ("PUT" | "POST", Route::Commands { .. }) => commands::mistakes(&body.json),
        ("POST", Route::ThreadFrom { .. } | Route::Threads(_)) => threads::mistakes(&body.json),
        _ => Vec::new(),
    });
    mistakes
}

/// Whether people see something by this call.
pub(super) fn is_post(method: &Method, route: &Route, body: &Body) -> bool {
    match (method.as_str(), route) {
        ("POST", Route::Messages(_) | Route::FollowUps { .. }) => true,
        ("PATCH", Route::Message { .. } | Route::FollowUp { .. }) => true,
        ("POST", Route::Callback { .. }) => matches!(body.json["type"].as_u64(), Some(4 | 7)),
        _ => false,
    }
}

/// Does what a call says.
pub(super) fn act(core: &Core, method: &Method, route: &Route, body: &Body) -> Answer {
    let mut state = core.state();
    let (life, json) = (core.options.token_life, &body.json);
    let done = || Ok((204, Value::Null));
    match (method.as_str(), route) {
        ("GET", Route::Me) => Ok((200, state.own_user())),
        ("GET", Route::Application) => Ok((200, state.application())),
        ("GET", Route::Gateway) => Ok((200, json!({ "url": core.gateway }))),
        ("GET", Route::GatewayBot) => {
            let remaining = 1000_u32.saturating_sub(state.identifies);
            let start =
                json!({ "total": 1000, "remaining": remaining, "reset_after": 86_400_000, "max_concurrency": 1 });
            Ok((200, json!({ "url": core.gateway, "shards": 1, "session_start_limit": start })))
        }
        ("POST", Route::DirectChannels) => state.direct_channel(json),
        ("GET", Route::Guild(guild)) => state.get_guild(*guild),
        ("GET", Route::GuildChannels(guild)) => state.guild_channels(*guild),
        ("GET", Route::ActiveThreads(guild)) => state.active_threads(*guild),
        ("GET", Route::Commands { application, guild }) => state.list_commands(*application, *guild),
        ("PUT", Route::Commands { application, guild }) => state.replace_commands(*application, *guild, json),
        ("POST", Route::Commands { application, guild }) => state.create_command(*application, *guild, json),
        ("GET", Route::Command { application, guild, command }) => state.get_command(*application, *guild, *command),
        ("PATCH", Route::Command { application, guild, command }) => {
            state.edit_command(*application, *guild, *command, json)
        }
        ("DELETE", Route::Command { application, guild, command }) => {
            state.delete_command(*application, *guild, *command)
        }
        ("GET", Route::Channel(channel)) => state.get_channel(*channel),
        ("PATCH", Route::Channel(channel)) => state.edit_channel(*channel, json),
        ("POST", Route::Typing(channel)) => state.visible(*channel).map(|_| (204, Value::Null)),
        ("PUT", Route::ThreadMember(channel)) => state.thread_member(*channel, None, true),
        ("DELETE", Route::ThreadMember(channel)) => state.thread_member(*channel, None, false),
        ("PUT", Route::ThreadMemberOf { channel, person }) => state.thread_member(*channel, Some(*person), true),
        ("DELETE", Route::ThreadMemberOf { channel, person }) => state.thread_member(*channel, Some(*person), false),
        ("GET", Route::GuildMember { guild, person }) => state.guild_member(*guild, *person),
        ("GET", Route::Messages(channel)) => state.list_messages(*channel, &body.query),
        ("POST", Route::Messages(channel)) => state.create_message(*channel, body, &core.options),
        ("GET", Route::Message { channel, message }) => state.get_message(*channel, *message),
        ("PATCH", Route::Message { channel, message }) => state.edit_message(*channel, *message, body),
        ("DELETE", Route::Message { channel, message }) => state.delete_message(*channel, *message),
        ("PUT", Route::Reaction { channel, message, emoji }) => state.react(*channel, *message, emoji, true),
        ("DELETE", Route::Reaction { channel, message, emoji }) => state.react(*channel, *message, emoji, false),
        ("POST", Route::ThreadFrom { channel, message }) => state.thread_from(*channel, *message, json),
        ("POST", Route::Threads(channel)) => state.thread_without(*channel, json),
        ("POST", Route::Callback { interaction, token }) => {
            let answer = state.acknowledge(*interaction, token, body, core.options.acknowledge_within);
            if answer == Err(Refusal::unknown_interaction()) {
                let at = state.interactions.get(interaction).map(|interaction| interaction.at.elapsed());
                drop(state);
                let late = at.map_or_else(|| "that is not known".to_owned(), |at| format!("{at:?} after it came"));
                core.wire.complain(format!("an interaction was acknowledged {late}"));
            }
            answer
        }
        ("POST", Route::FollowUps { token, .. }) => state.follow_up(token, body, life),
        ("GET", Route::FollowUp { token, message, .. }) => state.get_follow_up(token, *message, life),
        ("PATCH", Route::FollowUp { token, message, .. }) => state.edit_follow_up(token, *message, body, life),
        ("DELETE", Route::FollowUp { token, message, .. }) => state.delete_follow_up(token, *message, life),
        ("DELETE", Route::Channel(channel)) => {
            state.visible(*channel)?;
            state.kill_channel(*channel);
            done()
        }
        _ => Err(Refusal::new(405, 0, "405: Method Not Allowed")),
    }
}
