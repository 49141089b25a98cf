//! What only Slack has.

use kanban_fakes::{
    Server,
    slack::{Forgery, SlackServer, Submitted},
};
use serde_json::{Value, json};

use crate::order::Order;

/// None where Slack has nothing of its own by this name.
pub(crate) async fn act(slack: &SlackServer, order: &Order) -> Result<Option<Value>, String> {
    let name = || order.text("name");
    match order.name() {
        "direct" => return Ok(Some(json!(slack.direct(name()?)))),
        "slash" => slack.slash(name()?, &order.place()?, order.text("text")?).await,
        "shortcut" => {
            slack.shortcut(name()?, &order.place()?, order.text("message")?, order.text("callback")?).await;
        }
        "modal" => return Ok(Some(json!(slack.wait_for_modal(name()?).await))),
        "submits" => {
            return Ok(Some(match slack.submit(name()?, &order.fields()).await {
                Submitted::Closed => json!("closed"),
                Submitted::Wrong(errors) => json!(errors),
                Submitted::Replaced => json!("replaced"),
                Submitted::Failed => json!("failed"),
            }));
        }
        "open_home" => slack.open_home(name()?),
        "home" => {
            let name = name()?;
            return Ok(Some(json!(slack.wire().wait_until("the home tab", || slack.home(name)).await)));
        }
        "press_in_view" => slack.press_in_view(name()?, order.text("label")?).await,
        "refresh" => slack.refresh(),
        "break_off" => slack.disconnect(),
        "sockets" => return Ok(Some(json!(slack.sockets()))),
        "deliver_to" => slack.deliver_to(order.text("url")?),
        "signing_secret" => return Ok(Some(json!(slack.signing_secret()))),
        // The status of the app's answer to a command that Slack did not sign.
        "forge_slash" => {
            let forgery = match order.text("forgery")? {
                "secret" => Forgery::Secret,
                "age" => Forgery::Age,
                "body" => Forgery::Body,
                "unsigned" => Forgery::Unsigned,
                other => return Err(format!("there is no forgery `{other}`")),
            };
            let place = order.place()?;
            return Ok(Some(json!(slack.forge_slash(name()?, &place, order.text("text")?, forgery).await)));
        }
        "failures" => return Ok(Some(json!(slack.failures().len()))),
        _ => return Ok(None),
    }
    Ok(Some(Value::Null))
}
