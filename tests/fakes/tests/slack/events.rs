//! What goes to the app, against the published types of events, and read by a client.

use kanban_fakes::{Server, published, slack::SlackServer};
use serde_json::{Value, json};
use slack_morphism::prelude::{SlackCommandEvent, SlackInteractionEvent, SlackPushEvent};

use crate::app::{App, call};

/// One envelope of each kind.
async fn envelopes() -> Vec<Value> {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let ops = slack.channel("ops");
    slack.slash("anna", &ops, "create").await;
    let trigger = app.received()[0]["payload"]["trigger_id"].clone();
    slack.mentions("anna", &ops, "kanban list `code` https://example.com @anna").await;
    let button = |id: &str| json!({ "type": "button", "action_id": id, "text": { "type": "plain_text", "text": id } });
    let blocks = json!([{ "type": "actions", "elements": [button("go")] }]);
    let posted =
        call(&slack, "chat.postMessage", json!({ "channel": ops.channel, "text": "x", "blocks": blocks })).await;
    let ts = posted["ts"].as_str().expect("a message has an id");
    call(&slack, "chat.update", json!({ "channel": ops.channel, "ts": ts, "text": "y", "blocks": blocks })).await;
    slack.presses("anna", &ops, ts, "go").await;
    let private = json!({ "channel": ops.channel, "user": slack.user_id("anna"), "text": "x", "blocks": blocks });
    let private = call(&slack, "chat.postEphemeral", private).await;
    slack.presses("anna", &ops, private["message_ts"].as_str().expect("it has an id"), "go").await;
    slack.shortcut("anna", &ops, ts, "make_task").await;
    let view = json!({
        "type": "modal",
        "callback_id": "create",
        "title": { "type": "plain_text", "text": "New" },
        "submit": { "type": "plain_text", "text": "Create" },
        "blocks": [
            { "type": "input", "block_id": "title", "label": { "type": "plain_text", "text": "Title" },
              "element": { "type": "plain_text_input", "action_id": "title" } },
            { "type": "input", "block_id": "task", "label": { "type": "plain_text", "text": "Task" }, "optional": true,
              "element": { "type": "external_select", "action_id": "task", "min_query_length": 0 } },
        ],
    });
    let opened = call(&slack, "views.open", json!({ "trigger_id": trigger, "view": view })).await;
    assert_eq!(opened["ok"], true, "{opened}");
    slack.suggestions("anna", &ops, &["create"], "Task", "").await;
    slack.submit("anna", &[("Title", "x")]).await;
    let home = json!({ "type": "home", "blocks": [{ "type": "actions", "elements": [button("all")] }] });
    call(&slack, "views.publish", json!({ "user_id": slack.user_id("anna"), "view": home })).await;
    slack.open_home("anna");
    slack.press_in_view("anna", "all").await;
    app.wait_for(12).await
}

#[tokio::test]
async fn envelopes_are_read_by_the_client_that_the_gateway_uses() {
    let envelopes = envelopes().await;
    for envelope in &envelopes {
        let payload = envelope["payload"].clone();
        let read = match envelope["type"].as_str().unwrap() {
            "slash_commands" => serde_json::from_value::<SlackCommandEvent>(payload).map(|read| format!("{read:?}")),
            "interactive" => serde_json::from_value::<SlackInteractionEvent>(payload).map(|read| format!("{read:?}")),
            _ => serde_json::from_value::<SlackPushEvent>(payload).map(|read| format!("{read:?}")),
        };
        let read = read.unwrap_or_else(|error| panic!("{error}: {envelope:#}"));
        assert!(!read.contains("Unknown("), "{envelope:#}");
    }
}

#[tokio::test]
async fn payloads_keep_to_the_published_types() {
    let envelopes = envelopes().await;
    let mut checked = 0;
    for envelope in &envelopes {
        let mut payload = envelope["payload"].clone();
        let event = &payload["event"];
        let name = match (envelope["type"].as_str().unwrap(), payload["type"].as_str()) {
            ("slash_commands", _) => "slack-event-slash-command",
            (_, Some("block_actions")) => "slack-event-block-action",
            (_, Some("view_submission")) => "slack-event-view-submission",
            _ if event["type"] == "app_mention" => {
                payload = event.clone();
                "slack-event-app-mention"
            }
            _ => continue,
        };
        let Some(schema) = published(&format!("{name}.schema.json")) else { return };
        let validator = jsonschema::validator_for(&schema).unwrap();
        // The types are loose about null where Slack sends it for what is absent, and want an address for answers of
        // interactions with views, which have none.
        if payload["type"] == "block_actions" && payload["response_url"].is_null() {
            payload["response_url"] = json!("");
        }
        without_nulls(&mut payload);
        if let Some(view) = payload.get_mut("view").and_then(Value::as_object_mut) {
            for key in ["previous_view_id", "close", "submit"] {
                view.entry(key).or_insert(Value::Null);
            }
            // A home tab has none.
            view.entry("title").or_insert(json!({ "type": "plain_text", "text": "" }));
        }
        let wrong: Vec<String> =
            validator.iter_errors(&payload).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{name}: {payload:#}");
        checked += 1;
    }
    assert_eq!(checked, 6);
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
