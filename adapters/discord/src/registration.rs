//! Registering the menu: only when what Discord has differs, for there are only so many changes a day.

use std::{sync::Arc, time::Duration};

use kanban_platform::{PlatformError, Spec, Urgency};
use serde_json::{Map, Value};
use serenity::{
    http::{LightMethod, Route},
    model::id::{ApplicationId, GuildId},
};

use crate::{
    api::{Api, Call, CallError},
    failure::code,
    menu::menu,
};

/// Makes Discord's menus be ours: everywhere, or in these guilds alone.
pub(crate) async fn register(
    api: &Arc<Api>,
    application_id: ApplicationId,
    guilds: &[GuildId],
    spec: &Spec,
) -> Result<(), PlatformError> {
    let everywhere = Route::Commands { application_id };
    let ours = menu(spec);
    if guilds.is_empty() {
        return put_if_changed(api, everywhere, &ours).await;
    }
    for &guild_id in guilds {
        put_if_changed(api, Route::GuildCommands { application_id, guild_id }, &ours).await?;
    }
    // Else people in those guilds would see each command twice.
    put_if_changed(api, everywhere, &Value::Array(Vec::new())).await
}

async fn put_if_changed(api: &Arc<Api>, route: Route<'_>, ours: &Value) -> Result<(), PlatformError> {
    let mut get = Call::new(LightMethod::Get, route);
    "with_localizations=true".clone_into(&mut get.query);
    let registered = patiently(api, get).await?;
    if same(&registered, ours) {
        return Ok(());
    }
    let mut put = Call::new(LightMethod::Put, route);
    put.body = Some(ours.clone());
    patiently(api, put).await?;
    tracing::info!("the commands were registered with Discord");
    Ok(())
}

/// Reading and replacing the whole set may both be repeated.
async fn patiently(api: &Arc<Api>, call: Call<'_>) -> Result<Value, PlatformError> {
    let Call { route, method, query, body, .. } = call;
    let mut wait = Duration::from_millis(500);
    for _ in 0..6 {
        let mut call = Call::new(method, route);
        call.query.clone_from(&query);
        call.body.clone_from(&body);
        call.bucket = Some("commands".to_owned());
        call.urgency = Urgency::Card;
        match api.call(call).await {
            Ok(told) => return Ok(told),
            Err(CallError::Refused(refusal)) => return Err(refused(&refusal)),
            Err(CallError::Limited(closed)) => wait = closed,
            Err(CallError::NotSent(_) | CallError::Unsure(_)) => {}
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(60));
    }
    Err(PlatformError::Broken("Discord does not take the commands".to_owned()))
}

fn refused(refusal: &crate::api::Refusal) -> PlatformError {
    if refusal.status == 401 {
        return PlatformError::Misconfigured(
            "Discord does not know the bot's token; make a new one on the app's page Bot and put it into the settings"
                .to_owned(),
        );
    }
    if refusal.code == code::MISSING_ACCESS {
        return PlatformError::Misconfigured(
            "the bot may not register commands in one of the guilds of the settings; invite it there with the scopes \
             bot and applications.commands, or take the guild out of `guilds`"
                .to_owned(),
        );
    }
    PlatformError::Broken(format!("Discord does not take the commands: {refusal}"))
}

/// Whether two sets of commands are the same but for what Discord adds by itself.
pub(crate) fn same(registered: &Value, ours: &Value) -> bool {
    let sorted = |commands: &Value| {
        let mut commands: Vec<Value> = commands.as_array().into_iter().flatten().map(essence).collect();
        commands.sort_by_key(|command| (command["type"].as_u64(), command["name"].as_str().map(str::to_owned)));
        commands
    };
    sorted(registered) == sorted(ours)
}

/// What we say of a command, without fields that say nothing.
fn essence(value: &Value) -> Value {
    const FIELDS: [&str; 10] = [
        "type",
        "name",
        "description",
        "description_localizations",
        "options",
        "required",
        "choices",
        "value",
        "autocomplete",
        "contexts",
    ];
    let Some(object) = value.as_object() else { return value.clone() };
    let mut kept = Map::new();
    for field in FIELDS {
        let Some(value) = object.get(field) else { continue };
        let value = match (field, value) {
            ("options" | "choices", Value::Array(inner)) => Value::Array(inner.iter().map(essence).collect()),
            _ => value.clone(),
        };
        let is_empty = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(inner) => inner.is_empty(),
            Value::Object(inner) => inner.is_empty(),
            Value::Bool(true) | Value::Number(_) => false,
        };
        if !is_empty {
            kept.insert(field.to_owned(), value);
        }
    }
    kept.sort_keys();
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::same;
    use serde_json::json;

    #[test]
    fn what_discord_adds_is_no_change() {
        let ours = json!([
            { "type": 1, "name": "kanban", "description": "x", "options": [], "contexts": [0, 1] },
            { "type": 3, "name": "Make", "contexts": [0, 1] }
        ]);
        let theirs = json!([
            { "type": 3, "id": "2", "name": "Make", "description": "", "contexts": [0, 1], "nsfw": false },
            { "id": "1", "application_id": "9", "version": "3", "name": "kanban", "description": "x", "type": 1,
              "description_localizations": null, "name_localizations": null, "contexts": [0, 1], "dm_permission": true }
        ]);
        assert!(same(&theirs, &ours));
        assert!(!same(&json!([]), &ours));
        let other = json!([{ "type": 1, "name": "kanban", "description": "y", "contexts": [0, 1] }, ours[1]]);
        assert!(!same(&other, &ours));
    }
}
