//! Commands, buttons, modals, shortcuts, the home tab, and the addresses for answers.

use std::collections::BTreeMap;

use kanban_fakes::{
    Server,
    slack::{SlackServer, Submitted},
};
use serde_json::{Value, json};

use crate::app::{App, call, error, post};

fn form() -> Value {
    json!({
        "type": "modal",
        "callback_id": "create",
        "private_metadata": "{}",
        "title": { "type": "plain_text", "text": "New task" },
        "submit": { "type": "plain_text", "text": "Create" },
        "blocks": [
            { "type": "input", "block_id": "title", "label": { "type": "plain_text", "text": "Title" },
              "element": { "type": "plain_text_input", "action_id": "create.title" } },
            { "type": "input", "block_id": "parent", "label": { "type": "plain_text", "text": "Parent task" },
              "optional": true,
              "element": { "type": "external_select", "action_id": "create.parent", "min_query_length": 0 } },
            { "type": "input", "block_id": "kind", "label": { "type": "plain_text", "text": "Kind" }, "optional": true,
              "element": { "type": "static_select", "action_id": "create.kind", "options": [
                { "text": { "type": "plain_text", "text": "Bug" }, "value": "bug" } ] } },
        ],
    })
}

/// Answers suggestions and submissions; acknowledges everything else.
fn answers(frame: &Value) -> Option<Value> {
    match frame["payload"]["type"].as_str() {
        Some("block_suggestion") => {
            let typed = frame["payload"]["value"].as_str().unwrap_or_default();
            Some(json!({ "options": [
                { "text": { "type": "plain_text", "text": format!("t_1 {typed}") }, "value": "t_1" } ] }))
        }
        Some("view_submission")
            if frame["payload"]["view"]["state"]["values"]["title"]["create.title"]["value"] == "x" =>
        {
            Some(json!({ "response_action": "errors", "errors": { "title": "too short" } }))
        }
        _ => Some(Value::Null),
    }
}

#[tokio::test]
async fn a_slash_command_is_answered_in_its_acknowledgement_and_five_times_after() {
    let slack = SlackServer::start().await;
    let app = App::answering(&slack, |_| Some(json!({ "text": "working", "response_type": "ephemeral" }))).await;
    let ops = slack.channel("ops");
    slack.user_id("bob");
    slack.slash("anna", &ops, "assign t_1 @bob & co").await;
    let envelope = app.received()[0].clone();
    let payload = &envelope["payload"];
    assert_eq!((&envelope["type"], &envelope["accepts_response_payload"]), (&json!("slash_commands"), &json!(true)));
    assert_eq!(payload["text"], format!("assign t_1 <@{}|bob> &amp; co", slack.user_id("bob")));
    assert!(payload["thread_ts"].is_null());
    let seen = slack.seen(&ops);
    assert_eq!((seen[0].text.as_str(), seen[0].private_to.as_deref()), ("working", Some("anna")));

    let url = payload["response_url"].as_str().unwrap();
    assert_eq!(post(url, &json!({ "text": "done", "replace_original": true })).await, (200, "ok".to_owned()));
    assert_eq!(slack.seen(&ops)[0].text, "done");
    post(url, &json!({ "text": "all", "response_type": "in_channel" })).await;
    assert_eq!(slack.seen(&ops)[1].private_to, None);
    post(url, &json!({ "delete_original": true })).await;
    assert_eq!(slack.seen(&ops).len(), 1);
    assert_eq!(post(url, &json!({ "text": "4" })).await.0, 200);
    assert_eq!(post(url, &json!({ "text": "5" })).await.0, 200);
    let sixth = post(url, &json!({ "text": "6" })).await;
    assert_eq!((sixth.0, sixth.1.contains("used_url")), (404, true));
    slack.slash("anna", &ops, "list").await;
    let received = app.received();
    let url = received.iter().rev().find_map(|frame| frame["payload"]["response_url"].as_str()).unwrap();
    slack.expire_response_urls();
    assert!(post(url, &json!({ "text": "late" })).await.1.contains("expired_url"));
}

#[tokio::test]
#[should_panic(expected = "cannot be used in message threads")]
async fn a_slash_command_cannot_be_used_in_a_thread() {
    let slack = SlackServer::start().await;
    slack.slash("anna", &slack.thread("ops", "t"), "list").await;
}

#[tokio::test]
async fn a_command_in_a_thread_is_a_mention() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let thread = slack.thread("ops", "t");
    slack.commands("anna", &thread, &["create"], &[("title", "Fix it"), ("parent", "t_1")]).await;
    let event = app.wait_for(2).await[0]["payload"]["event"].clone();
    assert_eq!(event["type"], "app_mention");
    assert_eq!(event["text"], format!("<@{}> kanban create --parent=t_1 Fix it", slack.bot_user()));
    assert_eq!(event["thread_ts"].as_str(), thread.thread.as_deref());
}

#[tokio::test]
async fn a_button_tells_what_was_pressed_and_where() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let thread = slack.thread("ops", "t");
    let blocks = json!([{ "type": "actions", "block_id": "b", "elements": [
        { "type": "button", "action_id": "retry", "value": "k1", "text": { "type": "plain_text", "text": "Retry & go" } } ] }]);
    let message = json!({ "channel": thread.channel, "thread_ts": thread.thread, "text": "failed", "blocks": blocks });
    let ts = call(&slack, "chat.postMessage", message).await["ts"].as_str().unwrap().to_owned();
    slack.presses("anna", &thread, &ts, "Retry & go").await;
    let payload = app.wait_for(2).await[1]["payload"].clone();
    assert_eq!(payload["type"], "block_actions");
    assert_eq!((&payload["actions"][0]["action_id"], &payload["actions"][0]["value"]), (&json!("retry"), &json!("k1")));
    assert_eq!(payload["actions"][0]["text"]["text"], "Retry &amp; go");
    assert_eq!(payload["message"]["ts"], ts.as_str());
    assert_eq!(payload["container"]["thread_ts"].as_str(), thread.thread.as_deref());
    let url = payload["response_url"].as_str().unwrap();
    post(url, &json!({ "text": "over", "replace_original": true })).await;
    assert_eq!(slack.seen(&thread)[0].text, "over");
}

#[tokio::test]
async fn a_modal_is_opened_filled_in_and_submitted() {
    let slack = SlackServer::start().await;
    let app = App::answering(&slack, answers).await;
    let ops = slack.channel("ops");
    slack.slash("anna", &ops, "create").await;
    let trigger = app.received()[0]["payload"]["trigger_id"].clone();
    let open = json!({ "trigger_id": trigger, "view": form() });
    let opened = call(&slack, "views.open", open.clone()).await;
    assert_eq!(opened["ok"], true, "{opened}");
    assert_eq!(error(&slack, "views.open", open).await, "exchanged_trigger_id");
    assert_eq!(slack.wait_for_modal("anna").await, "New task");
    let proposed = slack.suggestions("anna", &ops, &["create"], "parent", "log").await.unwrap();
    assert_eq!(proposed, [("t_1".to_owned(), "t_1 log".to_owned())]);
    assert_eq!(slack.suggestions("anna", &ops, &["create"], "Kind", "b").await.unwrap()[0].0, "bug");

    let wrong = slack.submit("anna", &[("Title", "x"), ("Parent task", "t_1")]).await;
    assert_eq!(wrong, Submitted::Wrong(BTreeMap::from([("Title".to_owned(), "too short".to_owned())])));
    assert_eq!(slack.submit("anna", &[("title", "longer")]).await, Submitted::Closed);
    assert_eq!(slack.modal("anna"), None);
    let submission = app.received().pop().unwrap();
    let values = &submission["payload"]["view"]["state"]["values"];
    assert_eq!(values["parent"]["create.parent"]["selected_option"]["value"], "t_1");
    assert_eq!(values["kind"]["create.kind"]["selected_option"], Value::Null);
    assert_eq!(submission["accepts_response_payload"], true);
    assert_eq!(slack.wire().wrong().len(), 1, "the second use of the trigger: {:#?}", slack.wire().wrong());
}

#[tokio::test]
async fn a_trigger_lives_three_seconds() {
    let slack = SlackServer::start().await;
    let app = App::start(&slack).await;
    slack.slash("anna", &slack.channel("ops"), "create").await;
    let trigger = app.received()[0]["payload"]["trigger_id"].clone();
    slack.expire_triggers();
    let open = json!({ "trigger_id": trigger, "view": form() });
    assert_eq!(error(&slack, "views.open", open).await, "expired_trigger_id");
    let open = json!({ "trigger_id": "1.2.3", "view": form() });
    assert_eq!(error(&slack, "views.open", open).await, "invalid_trigger_id");
}

#[tokio::test]
async fn views_are_updated_pushed_and_published() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    slack.slash("anna", &slack.channel("ops"), "create").await;
    let trigger = app.received()[0]["payload"]["trigger_id"].clone();
    let opened = call(&slack, "views.open", json!({ "trigger_id": trigger, "view": form() })).await;
    let mut view = form();
    view["title"]["text"] = json!("Renamed");
    let update = json!({ "view_id": opened["view"]["id"], "hash": opened["view"]["hash"], "view": view });
    assert_eq!(call(&slack, "views.update", update.clone()).await["ok"], true);
    assert_eq!(slack.modal("anna").as_deref(), Some("Renamed"));
    assert_eq!(error(&slack, "views.update", update).await, "hash_conflict");
    let mut long = form();
    long["title"]["text"] = json!("x".repeat(25));
    let update = json!({ "view_id": opened["view"]["id"], "view": long });
    assert_eq!(error(&slack, "views.update", update).await, "invalid_arguments");

    slack.open_home("anna");
    let frames = app.wait_for(2).await;
    assert_eq!(frames[1]["payload"]["event"]["type"], "app_home_opened");
    let home = json!({ "type": "home", "blocks": [
        { "type": "section", "text": { "type": "mrkdwn", "text": "*Your* tasks" },
          "accessory": { "type": "button", "action_id": "show", "text": { "type": "plain_text", "text": "Show" } } } ] });
    let publish = json!({ "user_id": slack.user_id("anna"), "view": home });
    assert_eq!(call(&slack, "views.publish", publish.clone()).await["ok"], true);
    assert_eq!(call(&slack, "views.publish", publish).await["ok"], true);
    assert_eq!(slack.home("anna").as_deref(), Some("Your tasks"));
    slack.close_modal("anna").await;
    slack.press_in_view("anna", "Show").await;
    let frames = app.wait_for(3).await;
    assert_eq!(frames[2]["payload"]["container"]["type"], "view");
    assert_eq!(frames[2]["payload"]["view"]["type"], "home");
}

#[tokio::test]
async fn a_shortcut_carries_its_message() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let ops = slack.channel("ops");
    let ts = slack.says("anna", &ops, "this is broken").await;
    app.wait_for(1).await;
    slack.shortcut("bob", &ops, &ts, "make_task").await;
    let payload = app.wait_for(2).await[1]["payload"].clone();
    assert_eq!((&payload["type"], &payload["callback_id"]), (&json!("message_action"), &json!("make_task")));
    assert_eq!(payload["message"]["text"], "this is broken");
    assert_eq!(payload["user"]["id"], slack.user_id("bob"));
}
