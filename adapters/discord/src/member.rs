//! The roles of a person in a guild, where no event tells them.

use std::fmt::Display;

use kanban_platform::Urgency;
use serde_json::Value;
use serenity::{
    http::{LightMethod, Route},
    model::id::{GuildId, UserId},
};

use crate::api::{Api, Call, CallError};

/// The groups that authors carry, by the ids of roles.
pub(crate) fn groups<Role: Display>(roles: impl IntoIterator<Item = Role>) -> Vec<String> {
    roles.into_iter().map(|role| format!("role/{role}")).collect()
}

/// Asks for the groups of a person. Who is no member any more is in none.
pub(crate) async fn ask_groups(api: &Api, guild: GuildId, person: UserId) -> Result<Vec<String>, CallError> {
    let mut call = Call::new(LightMethod::Get, Route::GuildMember { guild_id: guild, user_id: person });
    call.bucket = Some(format!("members {guild}"));
    call.urgency = Urgency::Reply;
    match api.call(call).await {
        Ok(member) => Ok(groups(member["roles"].as_array().into_iter().flatten().filter_map(Value::as_str))),
        Err(CallError::Refused(refusal)) if refusal.code != 0 => {
            tracing::debug!(%refusal, "the roles of a person cannot be read");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
