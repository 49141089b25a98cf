//! A look at the bot's account: its token, its intents, its commands, and the channels that somebody asks about.

use std::sync::Arc;

use kanban_platform::{Finding, Look, Thread, Urgency};
use serde_json::Value;
use serenity::{
    http::{LightMethod, Route},
    model::{
        id::{ApplicationId, ChannelId, GuildId, UserId},
        permissions::Permissions,
    },
};

use crate::{
    access::{PERMISSIONS, invitation, permissions_in_order},
    api::{Api, Call, CallError, Refusal},
    failure::code,
    menu::menu,
    outgoing::parse,
    places::target,
    registration::same,
};

/// Flags of an app that may read messages: reviewed, and unreviewed in fewer than 100 servers.
const READS_MESSAGES: u64 = 1 << 18 | 1 << 19;

/// Types of channels that are threads, which have the permissions of their channel.
const THREADS: [u64; 3] = [10, 11, 12];

/// What is to be looked at of one bot.
pub(crate) struct Bot<'a> {
    pub(crate) api: &'a Arc<Api>,
    pub(crate) message_content: bool,
    pub(crate) guilds: &'a [GuildId],
}

/// Looks without changing anything.
pub(crate) async fn examine(bot: &Bot<'_>, look: &Look<'_>) -> Vec<Finding> {
    let api = bot.api;
    let me = match get(api, Route::UserMe).await {
        Ok(me) => me,
        Err(CallError::Refused(Refusal { status: 401, .. })) => {
            let detail = "Discord does not know it: press `Reset Token` on the app's page `Bot`, and put the new one into the settings";
            return vec![Finding::bad("token", detail)];
        }
        Err(error) => {
            return vec![Finding::bad("token", format!("{error}; see that this machine reaches discord.com"))];
        }
    };
    let name = me["username"].as_str().unwrap_or_default();
    let mut findings = vec![Finding::good("token", format!("the bot is {name}"))];
    let app = match get(api, Route::Oauth2ApplicationCurrent).await {
        Ok(app) => app,
        Err(error) => {
            findings.push(unclear("app", &error));
            return findings;
        }
    };
    findings.push(intents(&app, bot.message_content));
    let id = app["id"].as_str().and_then(parse);
    let invite = invitation(id);
    if app["approximate_guild_count"].as_u64() == Some(0) {
        findings.push(Finding::bad("servers", format!("the bot is in none: open {invite} and add it to one")));
    }
    if let Some(id) = id {
        findings.extend(commands(bot, ApplicationId::new(id), &invite, look).await);
    }
    let me = me["id"].as_str().and_then(parse).unwrap_or_default();
    for place in look.places {
        findings.push(channel(api, me, place, &invite).await);
    }
    findings
}

fn intents(app: &Value, message_content: bool) -> Finding {
    let what = "intents";
    let may_read = app["flags"].as_u64().unwrap_or_default() & READS_MESSAGES != 0;
    match (message_content, may_read) {
        (true, false) => Finding::bad(
            what,
            "`message_content = true`, but `Message Content Intent` is off: switch it on on the app's page `Bot`, below \
             `Privileged Gateway Intents`",
        ),
        (true, true) => Finding::good(what, "the bot may read every message where it is"),
        (false, _) => Finding::good(what, "the bot hears commands, mentions, replies to it and direct messages"),
    }
}

async fn commands(bot: &Bot<'_>, application_id: ApplicationId, invite: &str, look: &Look<'_>) -> Vec<Finding> {
    let wanted = menu(look.spec);
    let mut findings = Vec::new();
    if bot.guilds.is_empty() {
        let registered = get_with(bot.api, Route::Commands { application_id }, "with_localizations=true").await;
        findings.push(menus("commands".to_owned(), registered, &wanted, invite, look.is_connected));
    }
    for &guild_id in bot.guilds {
        let route = Route::GuildCommands { application_id, guild_id };
        let registered = get_with(bot.api, route, "with_localizations=true").await;
        findings.push(menus(format!("commands in {guild_id}"), registered, &wanted, invite, look.is_connected));
    }
    findings
}

fn menus(
    what: String,
    registered: Result<Value, CallError>,
    wanted: &Value,
    invite: &str,
    is_connected: bool,
) -> Finding {
    match registered {
        Ok(registered) if same(&registered, wanted) => Finding::good(what, "`/kanban` is registered as it should be"),
        Ok(_) if is_connected => Finding::bad(
            what,
            "what is registered is not this program's: another program registers its own; make an app for each, or \
             restart the gateway",
        ),
        Ok(_) => Finding::good(what, "`/kanban` is registered when the gateway connects"),
        Err(CallError::Refused(refusal)) if refusal.code == code::MISSING_ACCESS => Finding::bad(
            what,
            format!(
                "the bot may register none there: open {invite} and add it to that server, or take the server out of `guilds`"
            ),
        ),
        Err(error) => unclear(what, &error),
    }
}

async fn channel(api: &Arc<Api>, me: u64, place: &Thread, invite: &str) -> Finding {
    let what = format!("channel {}", place.thread.as_ref().unwrap_or(&place.channel));
    let Some(id) = target(place) else {
        return Finding::bad(what, "an id of a channel is a long number, as in `discord:123456789012345678`");
    };
    match allowed(api, me, id).await {
        Ok(None) => Finding::good(what, "a direct channel with the bot"),
        Ok(Some(held)) => {
            let needed = permissions_in_order().into_iter().zip(PERMISSIONS);
            let missing: Vec<_> =
                needed.filter(|(bit, _)| !held.contains(*bit)).map(|(_, name)| format!("`{name}`")).collect();
            if missing.is_empty() {
                return Finding::good(what, format!("the bot has all {} permissions there", PERMISSIONS.len()));
            }
            let detail = format!(
                "{} missing: allow {} for the bot under `Edit Channel`, `Permissions`",
                missing.join(", "),
                if missing.len() == 1 { "it" } else { "them" }
            );
            Finding::bad(what, detail)
        }
        Err(CallError::Refused(refusal)) if matches!(refusal.status, 403 | 404) => Finding::bad(
            what,
            format!("the bot does not see it: give it `View Channels` there, or add it to the server by {invite}"),
        ),
        Err(error) => unclear(what, &error),
    }
}

/// What the bot may do in a channel of a server; none where it is no channel of a server.
async fn allowed(api: &Arc<Api>, me: u64, id: ChannelId) -> Result<Option<Permissions>, CallError> {
    let mut channel = get(api, Route::Channel { channel_id: id }).await?;
    if channel["type"].as_u64().is_some_and(|kind| THREADS.contains(&kind))
        && let Some(parent) = id_of(&channel["parent_id"])
    {
        channel = get(api, Route::Channel { channel_id: ChannelId::new(parent) }).await?;
    }
    let Some(guild) = id_of(&channel["guild_id"]) else { return Ok(None) };
    let guild_id = GuildId::new(guild);
    let roles = get(api, Route::Guild { guild_id }).await?;
    let member = get(api, Route::GuildMember { guild_id, user_id: UserId::new(me) }).await?;
    let mine: Vec<u64> = member["roles"].as_array().into_iter().flatten().filter_map(id_of).collect();
    Ok(Some(held(guild, me, &mine, &roles["roles"], &channel["permission_overwrites"])))
}

/// By the page "Permissions" of Discord's reference: roles of the server, then what the channel says to everybody, to roles
/// and to the member.
fn held(guild: u64, me: u64, mine: &[u64], roles: &Value, overwrites: &Value) -> Permissions {
    let is_mine = |id: u64| id == guild || mine.contains(&id);
    let roles = roles.as_array().into_iter().flatten();
    let base = roles
        .filter(|role| id_of(&role["id"]).is_some_and(is_mine))
        .fold(0, |held, role| held | id_of(&role["permissions"]).unwrap_or_default());
    if Permissions::from_bits_truncate(base).administrator() {
        return Permissions::all();
    }
    let of = |wanted: &dyn Fn(u64) -> bool| {
        let found = overwrites.as_array().into_iter().flatten().filter(|one| id_of(&one["id"]).is_some_and(wanted));
        found.fold((0, 0), |(allow, deny), one| {
            (allow | id_of(&one["allow"]).unwrap_or_default(), deny | id_of(&one["deny"]).unwrap_or_default())
        })
    };
    let steps = [of(&|id| id == guild), of(&|id| mine.contains(&id)), of(&|id| id == me)];
    Permissions::from_bits_truncate(steps.into_iter().fold(base, |held, (allow, deny)| (held & !deny) | allow))
}

/// Ids and permissions are numbers in texts.
fn id_of(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

async fn get(api: &Arc<Api>, route: Route<'_>) -> Result<Value, CallError> {
    get_with(api, route, "").await
}

async fn get_with(api: &Arc<Api>, route: Route<'_>, query: &str) -> Result<Value, CallError> {
    let mut call = Call::new(LightMethod::Get, route);
    query.clone_into(&mut call.query);
    call.bucket = Some("examine".to_owned());
    call.urgency = Urgency::Card;
    api.call(call).await
}

fn unclear(what: impl Into<String>, error: &CallError) -> Finding {
    Finding::bad(what, format!("{error}; try again in a moment"))
}

#[cfg(test)]
mod tests {
    use super::held;
    use serde_json::json;
    use serenity::model::permissions::Permissions;

    #[test]
    fn permissions_follow_roles_and_then_the_channel() {
        let (view, send) = (Permissions::VIEW_CHANNEL, Permissions::SEND_MESSAGES);
        let text = |permissions: Permissions| permissions.bits().to_string();
        let roles = json!([
            {"id": "1", "permissions": text(view)},
            {"id": "5", "permissions": text(send)},
            {"id": "6", "permissions": text(Permissions::ADMINISTRATOR)},
        ]);
        let overwrite = |id: &str, allow: Permissions, deny: Permissions| json!({"id": id, "allow": text(allow), "deny": text(deny)});
        let none = Permissions::empty();
        assert_eq!(held(1, 9, &[], &roles, &json!([])), view);
        assert_eq!(held(1, 9, &[5], &roles, &json!([])), view | send);
        let channel =
            json!([overwrite("9", none, send), overwrite("5", send, none), overwrite("1", none, view | send)]);
        assert_eq!(held(1, 9, &[5], &roles, &channel), none);
        assert_eq!(held(1, 8, &[5], &roles, &channel), send);
        assert_eq!(held(1, 9, &[6], &roles, &channel), Permissions::all());
    }
}
