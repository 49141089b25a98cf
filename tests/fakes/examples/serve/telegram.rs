//! What only Telegram has.

use kanban_fakes::telegram::TelegramServer;
use serde_json::{Value, json};

use crate::order::Order;

/// None where Telegram has nothing of its own by this name.
pub(crate) fn act(telegram: &TelegramServer, order: &Order) -> Result<Option<Value>, String> {
    Ok(Some(match order.name() {
        "private" => json!(telegram.private(order.text("name")?)),
        "toasts" => json!(telegram.toasts(order.text("name")?)),
        "reaction" => json!(telegram.reaction(&order.place()?, order.text("message")?)),
        "unconfirmed" => json!(telegram.unconfirmed()),
        _ => return Ok(None),
    }))
}
