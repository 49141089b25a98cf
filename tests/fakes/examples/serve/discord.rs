//! What only Discord has.

use std::{sync::Arc, time::Duration};

use kanban_fakes::discord::{DiscordServer, Options};
use serde_json::{Value, json};

use crate::order::Order;

/// One that holds its own answers against the published description, and whose connections are missed soon.
pub(crate) async fn start() -> Arc<DiscordServer> {
    let heartbeat_interval = Duration::from_secs(2);
    DiscordServer::with(Options { heartbeat_interval, checks_itself: true, ..Options::default() }).await
}

/// None where Discord has nothing of its own by this name.
pub(crate) async fn act(discord: &DiscordServer, order: &Order) -> Result<Option<Value>, String> {
    match order.name() {
        "break_off" => discord.disconnect(1006),
        "reconnect" => discord.reconnect(),
        "silence" => discord.silence(true),
        "invalidate" => discord.invalidate_session(order.is("resumable")),
        "identifies" => return Ok(Some(json!(discord.identifies()))),
        "connections" => return Ok(Some(json!(discord.connection_count()))),
        "submits" => discord.submits(order.text("name")?, &order.fields()).await,
        "uses_on" => {
            let (command, message) = (order.text("command")?, order.text("message")?);
            discord.uses_on(order.text("name")?, &order.place()?, command, message).await;
        }
        "reactions" => return Ok(Some(json!(discord.reactions(order.text("message")?)))),
        "unanswered" => return Ok(Some(json!(discord.unanswered()))),
        _ => return Ok(None),
    }
    Ok(Some(Value::Null))
}
